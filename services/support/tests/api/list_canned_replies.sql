-- Rows of canned_replies, and pages that must read few of them (tests/plans/lists.rs).
INSERT INTO canned_replies (canned_reply_id, name, text, create_time, update_time)
SELECT gen_random_uuid(), n::text, '', TIME, TIME FROM generate_series(1, ROWS) AS n;

EXECUTE canned_replies(NULL, NULL, 51);
EXECUTE canned_replies(MIDDLE, '00000000-0000-0000-0000-000000000000', 51);
