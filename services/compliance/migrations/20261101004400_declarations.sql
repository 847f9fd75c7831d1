-- What people declared: consents and their withdrawals, acceptances of legal documents, objections and their ends. It is the ledger that
-- proves them. Rows are only added. An erasure and the retention periods may take out who it was, and nothing else.
CREATE TABLE declarations (
    declaration_id uuid NOT NULL,
    kind text NOT NULL,
    scope text NOT NULL,
    given boolean NOT NULL,
    owner_sub text,
    email text,
    visitor_id text,
    address_hash bytea,
    version text NOT NULL,
    text_sha256 text NOT NULL,
    source text NOT NULL,
    by_signal boolean NOT NULL,
    client_network text,
    client_program text,
    origin text,
    declare_time timestamptz NOT NULL,
    CONSTRAINT declarations_pkey PRIMARY KEY (declaration_id),
    CONSTRAINT declarations_kind CHECK (kind IN ('CONSENT', 'ACCEPTANCE', 'OBJECTION')),
    CONSTRAINT declarations_hash_length CHECK (octet_length(address_hash) = 32),
    CONSTRAINT declarations_sha256_length CHECK (length(text_sha256) IN (0, 64)),
    CONSTRAINT declarations_origin_key UNIQUE (origin)
);

-- Lists, newest first: all of a kind, and one person's.
CREATE INDEX declarations_newest ON declarations (kind, declare_time DESC, declaration_id DESC);
CREATE INDEX declarations_owner_newest ON declarations (owner_sub, kind, declare_time DESC, declaration_id DESC);
CREATE INDEX declarations_email_newest ON declarations (email, kind, declare_time DESC, declaration_id DESC);
-- What holds for a visitor.
CREATE INDEX declarations_visitor_newest ON declarations (visitor_id, kind, declare_time DESC);
-- Who is told of a new version of a document, in the order of their addresses.
CREATE INDEX declarations_acceptances ON declarations (scope, email) WHERE kind = 'ACCEPTANCE' AND email <> '';

CREATE FUNCTION refuse_change_of_declaration() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    who constant text[] := ARRAY['owner_sub', 'email', 'visitor_id', 'client_network', 'client_program'];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(NEW) - who = to_jsonb(OLD) - who
           AND (NEW.owner_sub IS NULL OR NEW.owner_sub = OLD.owner_sub)
           AND (NEW.email IS NULL OR NEW.email = OLD.email)
           AND (NEW.visitor_id IS NULL OR NEW.visitor_id = OLD.visitor_id)
           AND (NEW.client_network IS NULL OR NEW.client_network = OLD.client_network)
           AND (NEW.client_program IS NULL OR NEW.client_program = OLD.client_program) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'declarations are append-only';
END $$;
CREATE TRIGGER declarations_append_only BEFORE UPDATE OR DELETE ON declarations
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_declaration();
CREATE TRIGGER declarations_not_truncated BEFORE TRUNCATE ON declarations
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_declaration();

COMMENT ON TABLE declarations IS
    'Consents, acceptances and objections. subject: sub owner_sub, email email, hash address_hash; erase: null; ground: the proof of a declaration (GDPR, articles 5(2) and 7(1)) names the person only by a hash of the address; clock: declare_time';
COMMENT ON COLUMN declarations.declaration_id IS 'not personal';
COMMENT ON COLUMN declarations.kind IS 'not personal';
-- The purpose of a consent, the kind of a document, or what an objection is about.
COMMENT ON COLUMN declarations.scope IS 'not personal';
-- False: the consent is withdrawn or refused, the objection ended.
COMMENT ON COLUMN declarations.given IS 'not personal';
COMMENT ON COLUMN declarations.owner_sub IS 'personal: IDENTIFIER; keep: 7y';
COMMENT ON COLUMN declarations.email IS 'personal: EMAIL; keep: 7y';
-- The random id that a browser keeps.
COMMENT ON COLUMN declarations.visitor_id IS 'personal: IDENTIFIER; keep: 2y';
-- The named exception of the design's section 11: the proof outlives the address.
COMMENT ON COLUMN declarations.address_hash IS 'not personal';
COMMENT ON COLUMN declarations.version IS 'not personal';
-- The hash of the text that was shown, or of the document.
COMMENT ON COLUMN declarations.text_sha256 IS 'not personal';
COMMENT ON COLUMN declarations.source IS 'not personal';
-- The browser's signal (Global Privacy Control) declared it.
COMMENT ON COLUMN declarations.by_signal IS 'not personal';
-- The first 24 bits of the IPv4 address, or the first 48 of the IPv6 address.
COMMENT ON COLUMN declarations.client_network IS 'personal: IP; keep: 2y';
COMMENT ON COLUMN declarations.client_program IS 'personal: IDENTIFIER; keep: 2y';
-- The id of the change in the service that told it, so that it is taken once.
COMMENT ON COLUMN declarations.origin IS 'not personal';
COMMENT ON COLUMN declarations.declare_time IS 'not personal';
