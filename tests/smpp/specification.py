"""Tables of SMPP 3.4 Issue 1.2 and of 5.0, written down apart from the code that is held against them."""

from __future__ import annotations

# ---- 4.1 to 4.12; 5.0, 4.1 to 4.6: the layout of every PDU

ADDRESS = "source_addr_ton source_addr_npi source_addr:21"
BIND = "system_id:16 password:9 system_type:13 interface_version addr_ton addr_npi address_range:41"
MESSAGE_HEAD = "esm_class protocol_id priority_flag schedule_delivery_time:17 validity_period:17"
MESSAGE_TAIL = "registered_delivery replace_if_present_flag data_coding sm_default_msg_id short_message*"

# clause, command_id, name, mandatory fields: a bare name is one octet, ":n" a C-octet string of at most n with
# its NUL, "*" a counted string, "+" a list.
LAYOUTS = [
    ("4.1.1", 0x00000002, "bind_transmitter", BIND),
    ("4.1.2", 0x80000002, "bind_transmitter_resp", "system_id:16"),
    ("4.1.3", 0x00000001, "bind_receiver", BIND),
    ("4.1.4", 0x80000001, "bind_receiver_resp", "system_id:16"),
    ("4.1.5", 0x00000009, "bind_transceiver", BIND),
    ("4.1.6", 0x80000009, "bind_transceiver_resp", "system_id:16"),
    ("4.1.7", 0x0000000B, "outbind", "system_id:16 password:9"),
    ("4.2.1", 0x00000006, "unbind", ""),
    ("4.2.2", 0x80000006, "unbind_resp", ""),
    ("4.3.1", 0x80000000, "generic_nack", ""),
    (
        "4.4.1",
        0x00000004,
        "submit_sm",
        f"service_type:6 {ADDRESS} dest_addr_ton dest_addr_npi destination_addr:21 {MESSAGE_HEAD} {MESSAGE_TAIL}",
    ),
    ("4.4.2", 0x80000004, "submit_sm_resp", "message_id:65"),
    ("4.5.1", 0x00000021, "submit_multi", f"service_type:6 {ADDRESS} dests+ {MESSAGE_HEAD} {MESSAGE_TAIL}"),
    ("4.5.2", 0x80000021, "submit_multi_resp", "message_id:65 unsuccess+"),
    (
        "4.6.1",
        0x00000005,
        "deliver_sm",
        f"service_type:6 {ADDRESS} dest_addr_ton dest_addr_npi destination_addr:21 {MESSAGE_HEAD} {MESSAGE_TAIL}",
    ),
    ("4.6.2", 0x80000005, "deliver_sm_resp", "message_id:65"),
    (
        "4.7.1",
        0x00000103,
        "data_sm",
        "service_type:6 source_addr_ton source_addr_npi source_addr:65 dest_addr_ton dest_addr_npi "
        "destination_addr:65 esm_class registered_delivery data_coding",
    ),
    ("4.7.2", 0x80000103, "data_sm_resp", "message_id:65"),
    ("4.8.1", 0x00000003, "query_sm", f"message_id:65 {ADDRESS}"),
    ("4.8.2", 0x80000003, "query_sm_resp", "message_id:65 final_date:17 message_state error_code"),
    (
        "4.9.1",
        0x00000008,
        "cancel_sm",
        f"service_type:6 message_id:65 {ADDRESS} dest_addr_ton dest_addr_npi destination_addr:21",
    ),
    ("4.9.2", 0x80000008, "cancel_sm_resp", ""),
    (
        "4.10.1",
        0x00000007,
        "replace_sm",
        f"message_id:65 {ADDRESS} schedule_delivery_time:17 validity_period:17 registered_delivery "
        "sm_default_msg_id short_message*",
    ),
    ("4.10.2", 0x80000007, "replace_sm_resp", ""),
    ("4.11.1", 0x00000015, "enquire_link", ""),
    ("4.11.2", 0x80000015, "enquire_link_resp", ""),
    (
        "4.12.1",
        0x00000102,
        "alert_notification",
        "source_addr_ton source_addr_npi source_addr:65 esme_addr_ton esme_addr_npi esme_addr:65",
    ),
    (
        "5.0 4.4.1.1",
        0x00000111,
        "broadcast_sm",
        f"service_type:6 {ADDRESS} message_id:65 priority_flag schedule_delivery_time:17 validity_period:17 "
        "replace_if_present_flag data_coding sm_default_msg_id",
    ),
    ("5.0 4.4.1.2", 0x80000111, "broadcast_sm_resp", "message_id:65"),
    ("5.0 4.6.1.1", 0x00000112, "query_broadcast_sm", f"message_id:65 {ADDRESS}"),
    ("5.0 4.6.1.3", 0x80000112, "query_broadcast_sm_resp", "message_id:65"),
    ("5.0 4.6.2.1", 0x00000113, "cancel_broadcast_sm", f"service_type:6 message_id:65 {ADDRESS}"),
    ("5.0 4.6.2.3", 0x80000113, "cancel_broadcast_sm_resp", ""),
]

# 5.1.3: the status that names the field; ESME_RINVPARLEN where none does.
STATUS_OF_FIELD = {
    "system_id": "ESME_RINVSYSID",
    "password": "ESME_RINVPASWD",
    "system_type": "ESME_RINVSYSTYP",
    "address_range": "ESME_RINVPARLEN",
    "service_type": "ESME_RINVSERTYP",
    "source_addr": "ESME_RINVSRCADR",
    "destination_addr": "ESME_RINVDSTADR",
    "esme_addr": "ESME_RINVDSTADR",
    "schedule_delivery_time": "ESME_RINVSCHED",
    "validity_period": "ESME_RINVEXPIRY",
    "final_date": "ESME_RINVPARLEN",
    "message_id": "ESME_RINVMSGID",
}

# ---- 5.3.2; 5.0, 4.8.4: every TLV

# clause in 3.4, clause in 5.0, name, tag, least and most octets of the value
TLVS = [
    ("5.3.2.1", "4.8.4.23", "dest_addr_subunit", 0x0005, 1, 1),
    ("5.3.2.2", "4.8.4.54", "source_addr_subunit", 0x000D, 1, 1),
    ("5.3.2.3", "4.8.4.26", "dest_network_type", 0x0006, 1, 1),
    ("5.3.2.4", "4.8.4.57", "source_network_type", 0x000E, 1, 1),
    ("5.3.2.5", "4.8.4.24", "dest_bearer_type", 0x0007, 1, 1),
    ("5.3.2.6", "4.8.4.55", "source_bearer_type", 0x000F, 1, 1),
    ("5.3.2.7", "4.8.4.29", "dest_telematics_id", 0x0008, 1, 2),
    ("5.3.2.8", "4.8.4.61", "source_telematics_id", 0x0010, 1, 2),
    ("5.3.2.9", "4.8.4.46", "qos_time_to_live", 0x0017, 4, 4),
    ("5.3.2.10", "4.8.4.44", "payload_type", 0x0019, 1, 1),
    ("5.3.2.11", "4.8.4.1", "additional_status_info_text", 0x001D, 1, 256),
    ("5.3.2.12", "4.8.4.47", "receipted_message_id", 0x001E, 1, 65),
    ("5.3.2.13", "4.8.4.40", "ms_msg_wait_facilities", 0x0030, 1, 1),
    ("5.3.2.14", "4.8.4.45", "privacy_indicator", 0x0201, 1, 1),
    ("5.3.2.15", "4.8.4.60", "source_subaddress", 0x0202, 2, 23),
    ("5.3.2.16", "4.8.4.28", "dest_subaddress", 0x0203, 2, 23),
    ("5.3.2.17", "4.8.4.62", "user_message_reference", 0x0204, 2, 2),
    ("5.3.2.18", "4.8.4.63", "user_response_code", 0x0205, 1, 1),
    ("5.3.2.19", "4.8.4.35", "language_indicator", 0x020D, 1, 1),
    ("5.3.2.20", "4.8.4.59", "source_port", 0x020A, 2, 2),
    ("5.3.2.21", "4.8.4.30", "destination_port", 0x020B, 2, 2),
    ("5.3.2.22", "4.8.4.48", "sar_msg_ref_num", 0x020C, 2, 2),
    ("5.3.2.23", "4.8.4.50", "sar_total_segments", 0x020E, 1, 1),
    ("5.3.2.24", "4.8.4.49", "sar_segment_seqnum", 0x020F, 1, 1),
    ("5.3.2.25", "4.8.4.51", "sc_interface_version", 0x0210, 1, 1),
    ("5.3.2.26", "4.8.4.31", "display_time", 0x1201, 1, 1),
    ("5.3.2.27", "4.8.4.41", "ms_validity", 0x1204, 1, 4),
    ("5.3.2.28", "4.8.4.32", "dpf_result", 0x0420, 1, 1),
    ("5.3.2.29", "4.8.4.52", "set_dpf", 0x0421, 1, 1),
    ("5.3.2.30", "4.8.4.39", "ms_availability_status", 0x0422, 1, 1),
    ("5.3.2.31", "4.8.4.42", "network_error_code", 0x0423, 3, 3),
    ("5.3.2.32", "4.8.4.36", "message_payload", 0x0424, 0, 65535),
    ("5.3.2.33", "4.8.4.19", "delivery_failure_reason", 0x0425, 1, 1),
    ("5.3.2.34", "4.8.4.38", "more_messages_to_send", 0x0426, 1, 1),
    ("5.3.2.35", "4.8.4.37", "message_state", 0x0427, 1, 1),
    ("5.3.2.36", "4.8.4.15", "callback_num", 0x0381, 4, 19),
    ("5.3.2.37", "4.8.4.17", "callback_num_pres_ind", 0x0302, 1, 1),
    ("5.3.2.38", "4.8.4.16", "callback_num_atag", 0x0303, 0, 65),
    ("5.3.2.39", "4.8.4.43", "number_of_messages", 0x0304, 1, 1),
    ("5.3.2.40", "4.8.4.53", "sms_signal", 0x1203, 2, 2),
    ("5.3.2.41", "4.8.4.2", "alert_on_message_delivery", 0x130C, 0, 1),
    ("5.3.2.42", "4.8.4.33", "its_reply_type", 0x1380, 1, 1),
    ("5.3.2.43", "4.8.4.34", "its_session_info", 0x1383, 2, 2),
    ("5.3.2.44", "4.8.4.64", "ussd_service_op", 0x0501, 1, 1),
    ("-", "4.8.4.3", "billing_identification", 0x060B, 1, 1024),
    ("-", "4.8.4.4", "broadcast_area_identifier", 0x0606, 1, 101),
    ("-", "4.8.4.5", "broadcast_area_success", 0x0608, 1, 1),
    ("-", "4.8.4.6", "broadcast_content_type_info", 0x0602, 1, 255),
    ("-", "4.8.4.7", "broadcast_channel_indicator", 0x0600, 1, 1),
    ("-", "4.8.4.8", "broadcast_content_type", 0x0601, 3, 3),
    ("-", "4.8.4.9", "broadcast_end_time", 0x0609, 16, 17),
    ("-", "4.8.4.10", "broadcast_error_status", 0x0607, 4, 4),
    ("-", "4.8.4.11", "broadcast_frequency_interval", 0x0605, 3, 3),
    ("-", "4.8.4.12", "broadcast_message_class", 0x0603, 1, 1),
    ("-", "4.8.4.13", "broadcast_rep_num", 0x0604, 2, 2),
    ("-", "4.8.4.14", "broadcast_service_group", 0x060A, 1, 255),
    ("-", "4.8.4.18", "congestion_state", 0x0428, 1, 1),
    ("-", "4.8.4.20", "dest_addr_np_country", 0x0613, 1, 5),
    ("-", "4.8.4.21", "dest_addr_np_information", 0x0612, 10, 10),
    ("-", "4.8.4.22", "dest_addr_np_resolution", 0x0611, 1, 1),
    ("-", "4.8.4.25", "dest_network_id", 0x060E, 7, 65),
    ("-", "4.8.4.27", "dest_node_id", 0x0610, 6, 6),
    ("-", "4.8.4.56", "source_network_id", 0x060D, 7, 65),
    ("-", "4.8.4.58", "source_node_id", 0x060F, 6, 6),
]

# ---- 5.1.3; 5.0, 4.7.6: command_status, hexadecimal number and name without ESME_

STATUSES = """
00 ROK 01 RINVMSGLEN 02 RINVCMDLEN 03 RINVCMDID 04 RINVBNDSTS 05 RALYBND 06 RINVPRTFLG 07 RINVREGDLVFLG
08 RSYSERR 0A RINVSRCADR 0B RINVDSTADR 0C RINVMSGID 0D RBINDFAIL 0E RINVPASWD 0F RINVSYSID 11 RCANCELFAIL
13 RREPLACEFAIL 14 RMSGQFUL 15 RINVSERTYP 33 RINVNUMDESTS 34 RINVDLNAME 40 RINVDESTFLAG 42 RINVSUBREP
43 RINVESMCLASS 44 RCNTSUBDL 45 RSUBMITFAIL 48 RINVSRCTON 49 RINVSRCNPI 50 RINVDSTTON 51 RINVDSTNPI
53 RINVSYSTYP 54 RINVREPFLAG 55 RINVNUMMSGS 58 RTHROTTLED 61 RINVSCHED 62 RINVEXPIRY 63 RINVDFTMSGID
64 RX_T_APPN 65 RX_P_APPN 66 RX_R_APPN 67 RQUERYFAIL C0 RINVOPTPARSTREAM C1 ROPTPARNOTALLWD C2 RINVPARLEN
C3 RMISSINGOPTPARAM C4 RINVOPTPARAMVAL FE RDELIVERYFAILURE FF RUNKNOWNERR
C0 RINVTLVSTREAM C1 RTLVNOTALLWD C2 RINVTLVLEN C3 RMISSINGTLV C4 RINVTLVVAL
100 RSERTYPUNAUTH 101 RPROHIBITED 102 RSERTYPUNAVAIL 103 RSERTYPDENIED 104 RINVDCS 105 RINVSRCADDRSUBUNIT
106 RINVDSTADDRSUBUNIT 107 RINVBCASTFREQINT 108 RINVBCASTALIAS_NAME 109 RINVBCASTAREAFMT
10A RINVNUMBCAST_AREAS 10B RINVBCASTCNTTYPE 10C RINVBCASTMSGCLASS 10D RBCASTFAIL 10E RBCASTQUERYFAIL
10F RBCASTCANCELFAIL 110 RINVBCAST_REP 111 RINVBCASTSRVGRP 112 RINVBCASTCHANIND
"""
