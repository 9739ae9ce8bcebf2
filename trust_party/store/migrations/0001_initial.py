"""Parties, authorizations with their EDIs, what waits for carriers, communications."""

from alembic import op

from evidence.log import SCHEMA as EVIDENCE_SCHEMA
from foundation.audit import SCHEMA as AUDIT_SCHEMA
from interparty.custody import SCHEMA as CUSTODY_SCHEMA
from interparty.key_ledger import SCHEMA as KEY_LEDGER_SCHEMA

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Times are milliseconds since the epoch. *_sealed columns hold SM4-GCM under a data key of the key
# store, *_index columns a keyed blind index. An EDI is a ciphertext already, to its carrier's key.
STATEMENTS = [
    # --- who takes part -----------------------------------------------------------------------------
    # The version is raised with every admission, so that a running platform sees it.
    "CREATE TABLE admission_version (id INTEGER PRIMARY KEY, version BIGINT NOT NULL)",
    "INSERT INTO admission_version (id, version) VALUES (1, 1)",
    # State: APPLIED (nothing yet), ADMITTED, SUSPENDED (nobody may be contacted for it).
    """CREATE TABLE enterprises (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, changed_at BIGINT NOT NULL)""",
    """CREATE TABLE carriers (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, url TEXT NOT NULL, admitted_at BIGINT NOT NULL)""",
    "CREATE TABLE regulators (id TEXT PRIMARY KEY, name TEXT NOT NULL, admitted_at BIGINT NOT NULL)",
    # `notice`: how the party said that this is its key, under the one before; NULL for one given at admission.
    """CREATE TABLE sign_keys (
        keyid TEXT PRIMARY KEY, party TEXT NOT NULL, public_key BLOB NOT NULL, notice TEXT)""",
    """CREATE TABLE carrier_edi_keys (
        carrier TEXT NOT NULL, key_id TEXT NOT NULL, public_key BLOB NOT NULL,
        PRIMARY KEY (carrier, key_id))""",
    # --- data keys: one a consent, under which all that is kept of it is sealed; destroyed with it --------
    "CREATE TABLE data_keys (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
    # --- keys: the word of one sign key for the next; who decides about keys, and what was decided ---------
    "CREATE TABLE key_notices (keyid TEXT PRIMARY KEY, body TEXT NOT NULL)",
    # Records of the evidence log about the keys of each party; event_id of those that it reported itself.
    """CREATE TABLE key_records (
        record_id BIGINT PRIMARY KEY, party TEXT NOT NULL, event_id TEXT, UNIQUE (party, event_id))""",
    """CREATE TABLE log_successions (
        log_id BLOB PRIMARY KEY, public_key BLOB NOT NULL, successor BLOB NOT NULL,
        signature BLOB NOT NULL)""",
    # --- what enterprises signed: the SM3s of the consents of one request, 32 bytes each, in order --------
    """CREATE TABLE deposit_batches (
        id INTEGER PRIMARY KEY, enterprise TEXT NOT NULL, keyid TEXT NOT NULL, signature BLOB NOT NULL,
        consents BLOB NOT NULL, received_at BIGINT NOT NULL)""",
    # --- authorizations: one row an AID until its evidence is erased ----------------------------------
    # Terms of contact are few and shared by many consents.
    "CREATE TABLE contact_terms (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body TEXT NOT NULL)",
    """CREATE TABLE authorizations (
        aid BIGINT PRIMARY KEY, enterprise TEXT NOT NULL, state SMALLINT NOT NULL,
        not_before BIGINT NOT NULL, not_after BIGINT NOT NULL, pending_until BIGINT NOT NULL,
        terms_id INTEGER NOT NULL REFERENCES contact_terms (id),
        key_epoch BIGINT NOT NULL, attempt SMALLINT NOT NULL,
        batch_id INTEGER NOT NULL REFERENCES deposit_batches (id),
        data_key_id INTEGER NOT NULL, agreement_sm3 BLOB NOT NULL,
        consent_sm3 BLOB NOT NULL, consent_sealed BLOB, proof_sealed BLOB, nonce_index BLOB,
        evidence_id BIGINT NOT NULL, confirmed_carrier TEXT, confirmed_edi_id BLOB,
        deposited_at BIGINT NOT NULL, changed_at BIGINT NOT NULL,
        replaces BIGINT UNIQUE REFERENCES authorizations (aid))""",
    # A consent's nonce is taken once by each enterprise; of AIDs that replaced each other it is the newest's.
    "CREATE UNIQUE INDEX authorizations_by_nonce ON authorizations (enterprise, nonce_index)",
    "CREATE INDEX authorizations_pending ON authorizations (pending_until) WHERE state = 1",
    "CREATE INDEX authorizations_active ON authorizations (not_after) WHERE state = 2",
    # Of what is over: what the end of retention looks through.
    "CREATE INDEX authorizations_ended ON authorizations (changed_at) WHERE state >= 3",
    "CREATE INDEX authorizations_by_data_key ON authorizations (data_key_id)",
    "CREATE INDEX authorizations_by_batch ON authorizations (batch_id)",
    "CREATE INDEX authorizations_by_agreement ON authorizations (agreement_sm3)",
    # What is left of an AID whose evidence was erased, so that it is never issued again.
    "CREATE TABLE tombstones (aid BIGINT PRIMARY KEY)",
    """CREATE TABLE edis (
        edi_id BLOB PRIMARY KEY, aid BIGINT NOT NULL REFERENCES authorizations (aid),
        position SMALLINT NOT NULL, carrier TEXT NOT NULL, edi BLOB NOT NULL)""",
    "CREATE INDEX edis_by_aid ON edis (aid)",
    "CREATE TABLE agreements (sm3 BLOB PRIMARY KEY, text_sealed BLOB NOT NULL)",
    # --- deposits on their way to the carrier that is to have them confirmed --------------------------
    """CREATE TABLE confirmation_outbox (
        id INTEGER PRIMARY KEY, carrier TEXT NOT NULL, deposit_id TEXT NOT NULL,
        aid BIGINT NOT NULL REFERENCES authorizations (aid), UNIQUE (aid, carrier))""",
    "CREATE INDEX confirmation_outbox_by_carrier ON confirmation_outbox (carrier, id)",
    # --- what carriers are told is over: one sequence for each, of the one epoch of this database ---------
    "CREATE TABLE revocation_epoch (id INTEGER PRIMARY KEY, epoch TEXT NOT NULL)",
    """CREATE TABLE revocations (
        carrier TEXT NOT NULL, sequence BIGINT NOT NULL, enterprise TEXT NOT NULL, aid BIGINT,
        edi_id BLOB, cause TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (carrier, sequence))""",
    "CREATE INDEX revocations_by_aid ON revocations (aid)",
    # --- what the trust party's operator ordered, and what came of it ---------------------------------------
    """CREATE TABLE orders (
        id INTEGER PRIMARY KEY, tag TEXT NOT NULL, aid BIGINT NOT NULL, statement TEXT NOT NULL,
        signature TEXT NOT NULL, result TEXT)""",
    "CREATE INDEX orders_by_aid ON orders (aid)",
    "CREATE INDEX orders_waiting ON orders (id) WHERE result IS NULL",
    # --- which communications carriers reported; all else of them is in the evidence -------------------
    """CREATE TABLE communications (
        carrier TEXT NOT NULL, report_id TEXT NOT NULL, evidence_id BIGINT NOT NULL,
        PRIMARY KEY (carrier, report_id)) WITHOUT ROWID""",
    "CREATE INDEX communications_by_evidence ON communications (evidence_id)",
]


def upgrade() -> None:
    for statement in (*STATEMENTS, *EVIDENCE_SCHEMA, *AUDIT_SCHEMA, *CUSTODY_SCHEMA, *KEY_LEDGER_SCHEMA):
        op.execute(statement)
