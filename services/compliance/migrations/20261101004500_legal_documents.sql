-- The versions of the legal documents. A published version never changes: a new text is a new version.
CREATE TABLE legal_documents (
    legal_document_id uuid NOT NULL,
    kind text NOT NULL,
    version text NOT NULL,
    changes text[] NOT NULL,
    body text NOT NULL,
    text_sha256 text NOT NULL,
    acceptance_required boolean NOT NULL,
    effective_time timestamptz NOT NULL,
    publish_time timestamptz NOT NULL,
    CONSTRAINT legal_documents_pkey PRIMARY KEY (legal_document_id),
    CONSTRAINT legal_documents_version_key UNIQUE (kind, version),
    CONSTRAINT legal_documents_kind CHECK (kind IN ('TERMS', 'PRIVACY', 'COOKIES', 'PROCESSING_AGREEMENT')),
    CONSTRAINT legal_documents_sha256_length CHECK (length(text_sha256) = 64)
);

-- Lists, newest first: all of them, and one kind's.
CREATE INDEX legal_documents_newest ON legal_documents (publish_time DESC, legal_document_id DESC);
CREATE INDEX legal_documents_kind_newest ON legal_documents (kind, publish_time DESC, legal_document_id DESC);

CREATE FUNCTION refuse_change_of_legal_document() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'legal documents are append-only'; END $$;
CREATE TRIGGER legal_documents_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON legal_documents
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_legal_document();

COMMENT ON TABLE legal_documents IS 'The versions of the legal documents.';
COMMENT ON COLUMN legal_documents.legal_document_id IS 'not personal';
COMMENT ON COLUMN legal_documents.kind IS 'not personal';
COMMENT ON COLUMN legal_documents.version IS 'not personal';
COMMENT ON COLUMN legal_documents.changes IS 'not personal';
COMMENT ON COLUMN legal_documents.body IS 'not personal';
COMMENT ON COLUMN legal_documents.text_sha256 IS 'not personal';
COMMENT ON COLUMN legal_documents.acceptance_required IS 'not personal';
COMMENT ON COLUMN legal_documents.effective_time IS 'not personal';
COMMENT ON COLUMN legal_documents.publish_time IS 'not personal';
