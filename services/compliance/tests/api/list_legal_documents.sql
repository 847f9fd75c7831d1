-- Rows of legal_documents, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO legal_documents
   (legal_document_id, kind, version, changes, body, text_sha256, acceptance_required, effective_time, publish_time)
SELECT gen_random_uuid(), CASE WHEN n <= 100 THEN 'COOKIES' ELSE 'TERMS' END, n::text, '{}', '', repeat('0', 64), false, TIME,
       TIME
FROM generate_series(1, ROWS) AS n;

EXECUTE legal_documents(NULL, NULL, NULL, 51);
EXECUTE legal_documents(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE legal_documents('COOKIES', NULL, NULL, 51);
