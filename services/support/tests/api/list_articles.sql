-- Rows of articles, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO articles (article_id, slug, origin, state, version, create_time, update_time)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'a-' || n, 'STAFF', CASE WHEN n <= 100 THEN 'UNPUBLISHED' ELSE 'PUBLISHED' END, 1, TIME,
       TIME
FROM generate_series(1, ROWS) AS n;
INSERT INTO article_versions (article_id, version, title, summary, tags, questions, body, content_hash, origin, create_time)
SELECT article_id, 1, 'T', 'S', '{}', '{}', 'B', sha256('x'), 'STAFF', create_time FROM articles;

EXECUTE articles(NULL, NULL, NULL, 51);
EXECUTE articles(NULL, MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
EXECUTE articles('UNPUBLISHED', NULL, NULL, 51);
EXECUTE articles('PUBLISHED', NULL, NULL, 51);
