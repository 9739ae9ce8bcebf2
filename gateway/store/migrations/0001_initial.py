"""Accounts, subscribers, EDIs, messages, calls and what waits for the other parties."""

from alembic import op

from foundation.audit import SCHEMA as AUDIT_SCHEMA
from interparty.custody import SCHEMA as CUSTODY_SCHEMA
from interparty.key_ledger import SCHEMA as KEY_LEDGER_SCHEMA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Sealed columns hold SM4-GCM under a data key of the key store; *_index columns hold the 16 random bytes by which
# blind_index names a number or identifier.
STATEMENTS = [
    # --- accounts ---------------------------------------------------------------------------------
    "CREATE TABLE directory_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)",
    "INSERT INTO directory_version (id, version) VALUES (1, 1)",
    "CREATE TABLE enterprise (id TEXT PRIMARY KEY, name TEXT NOT NULL)",
    # Lists are space-separated; where NULL is allowed it means the configuration's own value.
    """CREATE TABLE account (
        system_id TEXT PRIMARY KEY, enterprise_id TEXT NOT NULL, password_hash TEXT NOT NULL,
        max_binds INTEGER NOT NULL, max_transmitters INTEGER, max_receivers INTEGER,
        max_transceivers INTEGER, addresses TEXT NOT NULL, tls INTEGER NOT NULL,
        certificates TEXT NOT NULL, rate REAL, burst INTEGER, window_pdus INTEGER, enquire_link_s REAL,
        inactivity_s REAL, response_s REAL, aggregate_receipts INTEGER NOT NULL,
        key_sealed BLOB NOT NULL, outbind TEXT, outbind_sealed BLOB NOT NULL)""",
    """CREATE TABLE access_number (
        number TEXT PRIMARY KEY, enterprise_id TEXT NOT NULL, sms_account TEXT, voice_trunk TEXT,
        rate REAL, burst INTEGER, sms_content TEXT NOT NULL, extension_digits INTEGER NOT NULL,
        signature TEXT,
        max_calls INTEGER, call_rate REAL, call_burst INTEGER, ring_s REAL, talk_s REAL)""",
    # Numbers of which enterprises have sub-codes; the whole of both is in access_number.
    "CREATE TABLE shared_number (number TEXT PRIMARY KEY)",
    """CREATE TABLE trunk (
        username TEXT PRIMARY KEY, enterprise_id TEXT NOT NULL, realm TEXT NOT NULL,
        ha1_md5 TEXT NOT NULL, ha1_sha256 TEXT NOT NULL, default_access_number TEXT NOT NULL,
        contact TEXT, max_calls INTEGER NOT NULL, addresses TEXT NOT NULL, certificates TEXT NOT NULL,
        rate REAL, burst INTEGER, ring_s REAL, talk_s REAL, reliable_provisional TEXT,
        preconditions TEXT NOT NULL)""",
    # --- numbers and identifiers by which people are found; tag: u32 key version | HMAC-SM3[16] ---------
    "CREATE TABLE blind_index (tag BLOB PRIMARY KEY, name BLOB NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID",
    # --- subscribers, bitemporal: valid and recorded time, both half-open, milliseconds --------------
    """CREATE TABLE holding (
        id INTEGER PRIMARY KEY, subscriber_id INTEGER NOT NULL, msisdn_index BLOB NOT NULL,
        msisdn_sealed BLOB NOT NULL, id_type INTEGER NOT NULL, identifier_index BLOB NOT NULL,
        valid_from INTEGER NOT NULL, valid_to INTEGER, ended TEXT NOT NULL, recorded_from INTEGER NOT NULL,
        recorded_to INTEGER)""",
    "CREATE INDEX holding_by_identifier ON holding (id_type, identifier_index)",
    "CREATE INDEX holding_by_msisdn ON holding (msisdn_index)",
    # Grows with each import, which another process may make: what was resolved before is resolved anew. And the highest
    # subscriber_id that was given: looking through the table for it would take longer with each line of an import.
    """CREATE TABLE holding_version (
        id INTEGER PRIMARY KEY, version INTEGER NOT NULL, last_subscriber INTEGER NOT NULL)""",
    "INSERT INTO holding_version (id, version, last_subscriber) VALUES (1, 1, 0)",
    # --- EDIs opened here, once each ----------------------------------------------------------------
    """CREATE TABLE edi (
        edi_id BLOB PRIMARY KEY, enterprise_id TEXT NOT NULL, msisdn_index BLOB NOT NULL,
        msisdn_sealed BLOB NOT NULL, id_type INTEGER NOT NULL, identifier_index BLOB NOT NULL,
        as_of INTEGER NOT NULL, consent_sm3 BLOB NOT NULL, confirmed_at INTEGER)""",
    "CREATE INDEX edi_by_subscriber ON edi (msisdn_index, enterprise_id)",
    # Every message writes one row of this: rows of thirty bytes share their pages, those of edi hardly do.
    """CREATE TABLE contact_window (
        edi_id BLOB PRIMARY KEY, window_start INTEGER NOT NULL, window_count INTEGER NOT NULL)
        WITHOUT ROWID""",
    """CREATE TABLE block (
        enterprise_id TEXT NOT NULL, msisdn_index BLOB NOT NULL, blocked_at INTEGER NOT NULL,
        PRIMARY KEY (msisdn_index, enterprise_id))""",
    """CREATE TABLE contact (
        msisdn_index BLOB NOT NULL, access_number TEXT NOT NULL, edi_id BLOB NOT NULL,
        contacted_at INTEGER NOT NULL, PRIMARY KEY (msisdn_index, access_number)) WITHOUT ROWID""",
    # --- messages towards the SMSC: what is pending, and parts of long messages until the whole is final
    """CREATE TABLE message (
        id INTEGER PRIMARY KEY, public_id INTEGER NOT NULL, kind INTEGER NOT NULL, account TEXT NOT NULL,
        enterprise_id TEXT NOT NULL, access_number TEXT NOT NULL, aid TEXT NOT NULL, edi_id BLOB,
        registered_delivery INTEGER NOT NULL, priority INTEGER NOT NULL, octets INTEGER NOT NULL,
        digest BLOB, long_id INTEGER, part INTEGER NOT NULL, accepted_at INTEGER NOT NULL,
        not_before INTEGER NOT NULL, expires_at INTEGER NOT NULL, state INTEGER NOT NULL, upstream TEXT,
        upstream_id TEXT, done_at INTEGER, outcome INTEGER, error INTEGER, sealed BLOB)""",
    "CREATE INDEX message_due ON message (not_before, id) WHERE state = 1",
    "CREATE INDEX message_by_expiry ON message (expires_at)",
    "CREATE INDEX message_by_upstream ON message (upstream) WHERE upstream IS NOT NULL",
    "CREATE INDEX message_by_long ON message (long_id) WHERE long_id IS NOT NULL",
    """CREATE TABLE long_message (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, access_number TEXT NOT NULL, aid TEXT NOT NULL,
        reference INTEGER NOT NULL, total INTEGER NOT NULL, aggregate INTEGER NOT NULL,
        state INTEGER NOT NULL, opened_at INTEGER NOT NULL, octets INTEGER NOT NULL, digest BLOB)""",
    "CREATE INDEX long_message_by_state ON long_message (state, opened_at)",
    "CREATE INDEX long_message_by_marks ON long_message (aid, access_number, reference)",
    """CREATE TABLE parked_receipt (
        id INTEGER PRIMARY KEY, upstream TEXT NOT NULL, upstream_id TEXT NOT NULL,
        received_at INTEGER NOT NULL, message_state INTEGER NOT NULL, error INTEGER NOT NULL)""",
    "CREATE INDEX parked_by_upstream ON parked_receipt (upstream)",
    """CREATE TABLE revocation (
        id INTEGER PRIMARY KEY, enterprise_id TEXT NOT NULL, edi_id BLOB)""",
    # Up to where the trust party's revocations were taken in.
    """CREATE TABLE revocation_position (
        id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, sequence INTEGER NOT NULL)""",
    # --- messages from subscribers, and what waits for the enterprise --------------------------------
    """CREATE TABLE inbound (
        id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, access_number TEXT NOT NULL,
        msisdn_index BLOB NOT NULL, edi_id BLOB, enterprise_id TEXT, opt_out INTEGER NOT NULL,
        state INTEGER NOT NULL, cause TEXT, sealed BLOB NOT NULL)""",
    "CREATE INDEX inbound_pending ON inbound (state, id)",
    """CREATE TABLE enterprise_outbox (
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL, body BLOB NOT NULL, is_sealed INTEGER NOT NULL)""",
    "CREATE INDEX enterprise_outbox_by_account ON enterprise_outbox (account, id)",
    # --- the subscriber's own confirmation ----------------------------------------------------------
    """CREATE TABLE confirmation (
        id INTEGER PRIMARY KEY, deposit_id TEXT NOT NULL UNIQUE, enterprise_id TEXT NOT NULL,
        edi_id BLOB, msisdn_index BLOB, state INTEGER NOT NULL, received_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL, attempts INTEGER NOT NULL, cause TEXT, sealed BLOB NOT NULL)""",
    "CREATE INDEX confirmation_by_state ON confirmation (state, id)",
    "CREATE INDEX confirmation_by_subscriber ON confirmation (msisdn_index, state)",
    """CREATE TABLE confirmation_edi (
        edi_id BLOB NOT NULL, confirmation_id INTEGER NOT NULL, PRIMARY KEY (edi_id, confirmation_id))
        WITHOUT ROWID""",
    "CREATE INDEX confirmation_edi_by_confirmation ON confirmation_edi (confirmation_id)",
    """CREATE TABLE code_sent (
        msisdn_index BLOB NOT NULL, enterprise_id TEXT NOT NULL, day INTEGER NOT NULL,
        sent INTEGER NOT NULL, PRIMARY KEY (msisdn_index, enterprise_id, day))""",
    """CREATE TABLE network_assertion (
        edi_id BLOB PRIMARY KEY, msisdn_index BLOB NOT NULL, asserted_at INTEGER NOT NULL,
        received_at INTEGER NOT NULL)""",
    # --- records, and what waits for the trust party --------------------------------------------------
    # A CDR is its own outbox: the trust party has all reports up to report_position.
    """CREATE TABLE cdr (
        seq INTEGER PRIMARY KEY, id INTEGER NOT NULL, public_id INTEGER NOT NULL, kind TEXT NOT NULL,
        account TEXT NOT NULL,
        enterprise_id TEXT NOT NULL, access_number TEXT NOT NULL, aid TEXT NOT NULL, edi_id BLOB,
        started_at INTEGER NOT NULL, answered_at INTEGER, ended_at INTEGER NOT NULL, result TEXT NOT NULL,
        error INTEGER NOT NULL, parts INTEGER NOT NULL, octets INTEGER NOT NULL, digest BLOB,
        media TEXT)""",
    "CREATE INDEX cdr_by_id ON cdr (id)",
    "CREATE TABLE report_position (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL)",
    "INSERT INTO report_position (id, seq) VALUES (1, 0)",
    """CREATE TABLE refusal (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, enterprise_id TEXT NOT NULL, channel TEXT NOT NULL,
        access_number TEXT NOT NULL, aid TEXT NOT NULL, cause TEXT NOT NULL)""",
    """CREATE TABLE trust_outbox (
        id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, created_at INTEGER NOT NULL, body TEXT NOT NULL)""",
    "CREATE INDEX trust_outbox_by_kind ON trust_outbox (kind, id)",
    """CREATE TABLE call (
        id INTEGER PRIMARY KEY, direction TEXT NOT NULL, enterprise_id TEXT NOT NULL,
        access_number TEXT NOT NULL, aid TEXT NOT NULL, edi_id BLOB, started_at INTEGER NOT NULL,
        answered_at INTEGER, sealed BLOB NOT NULL)""",
    # --- keys: the word of one sign key for the next; who decides about keys, and what was decided ---------
    "CREATE TABLE key_notices (keyid TEXT PRIMARY KEY, body TEXT NOT NULL)",
    # --- queries by number: who may approve them, and which were answered ------------------------------
    """CREATE TABLE approver (
        id TEXT PRIMARY KEY, requester TEXT NOT NULL, name TEXT NOT NULL, public_key BLOB NOT NULL UNIQUE,
        enrolled_at INTEGER NOT NULL)""",
    """CREATE TABLE number_query (
        sealed_sm3 BLOB PRIMARY KEY, at INTEGER NOT NULL, requester TEXT NOT NULL, case_ref TEXT NOT NULL,
        enterprise_id TEXT NOT NULL, period_from INTEGER NOT NULL, period_to INTEGER NOT NULL,
        approvers TEXT NOT NULL, found INTEGER NOT NULL, number_sealed BLOB NOT NULL)""",
    "CREATE INDEX number_query_by_requester ON number_query (requester, at)",
]


def upgrade() -> None:
    for statement in (*STATEMENTS, *AUDIT_SCHEMA, *CUSTODY_SCHEMA, *KEY_LEDGER_SCHEMA):
        op.execute(statement)
