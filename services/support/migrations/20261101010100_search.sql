-- How passages are found. These are functions, because PostgreSQL then plans each search for its own words: an index on words is
-- read only where the words are known.

-- The passages with any of these lexemes, the best first. For each one, which lexemes it has in the title and the tags of its article
-- (A), in its heading (B), in its text (C), and in the summary of its article (D).
CREATE FUNCTION search_passages(wanted text[], most integer)
RETURNS TABLE (
    article_id uuid, "position" integer, rank real, in_title text[], in_heading text[], in_body text[],
    in_summary text[]
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    query tsquery := ''::tsquery;
    lexeme text;
BEGIN
    FOREACH lexeme IN ARRAY wanted LOOP
        query := query || ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;
    END LOOP;
    RETURN QUERY
        SELECT p.article_id, p."position", ts_rank_cd(p.search, query),
               ARRAY(SELECT unnest(tsvector_to_array(ts_filter(p.search, '{a}'))) INTERSECT SELECT unnest(wanted)),
               ARRAY(SELECT unnest(tsvector_to_array(ts_filter(p.search, '{b}'))) INTERSECT SELECT unnest(wanted)),
               ARRAY(SELECT unnest(tsvector_to_array(ts_filter(p.search, '{c}'))) INTERSECT SELECT unnest(wanted)),
               ARRAY(SELECT unnest(tsvector_to_array(ts_filter(p.search, '{d}'))) INTERSECT SELECT unnest(wanted))
        FROM passages AS p
        WHERE p.search @@ query
        ORDER BY 3 DESC, p.article_id, p."position"
        LIMIT most;
END
$$;

-- The questions with any of these lexemes, and which ones each has.
CREATE FUNCTION search_questions(wanted text[], most integer)
RETURNS TABLE (article_id uuid, lexemes text[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    query tsquery := ''::tsquery;
    lexeme text;
BEGIN
    FOREACH lexeme IN ARRAY wanted LOOP
        query := query || ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;
    END LOOP;
    RETURN QUERY
        SELECT q.article_id, ARRAY(SELECT unnest(tsvector_to_array(q.search)) INTERSECT SELECT unnest(wanted))
        FROM questions AS q
        WHERE q.search @@ query
        ORDER BY ts_rank_cd(q.search, query) DESC, q.article_id, q."position"
        LIMIT most;
END
$$;

-- The passages that staff find with the words of a search box, and the part of each one around the words.
CREATE FUNCTION search_passages_for_staff(words text, most integer)
RETURNS TABLE (article_id uuid, heading text, title text, snippet text)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    query tsquery := websearch_to_tsquery('english', words);
BEGIN
    RETURN QUERY
        SELECT p.article_id, p.heading, p.title,
               ts_headline('english', p.body, query, 'StartSel="", StopSel="", MaxFragments=1, MaxWords=40, MinWords=20')
        FROM passages AS p
        WHERE p.search @@ query
        ORDER BY ts_rank_cd(p.search, query) DESC, p.article_id, p."position"
        LIMIT most;
END
$$;

-- Counts the words of all articles anew. The row of the empty word has the number of all articles.
CREATE FUNCTION recount_words() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM words;
    INSERT INTO words (word, articles)
        SELECT lexeme, count(DISTINCT article_id)
        FROM (SELECT article_id, search FROM passages UNION ALL SELECT article_id, search FROM questions) AS texts,
             unnest(tsvector_to_array(search)) AS lexeme
        GROUP BY lexeme;
    INSERT INTO words (word, articles) SELECT '', count(DISTINCT article_id) FROM passages;
END
$$;

-- The words of the passages that look like a word which no passage has, and how much questions of articles look like a customer's
-- question. The server may lack the extension pg_trgm, or its user the
-- right to create it: then there are none, and only words that are spelt as in articles find something.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX words_similar ON words USING gin (word gin_trgm_ops);
    EXECUTE $f$
        CREATE FUNCTION similar_words(typed text) RETURNS SETOF text
        LANGUAGE plpgsql STABLE
        SET pg_trgm.similarity_threshold = 0.2
        AS $g$
        BEGIN
            RETURN QUERY SELECT w.word FROM words AS w WHERE w.word % typed ORDER BY similarity(w.word, typed) DESC, w.word LIMIT 8;
        END
        $g$
    $f$;
    EXECUTE $f$
        CREATE FUNCTION similar_questions(asked text) RETURNS TABLE (article_id uuid, likeness real)
        LANGUAGE sql STABLE
        AS $g$
            SELECT q.article_id, max(similarity(q.question, asked)) FROM questions AS q
            GROUP BY q.article_id HAVING max(similarity(q.question, asked)) > 0.1
        $g$
    $f$;
EXCEPTION
    WHEN feature_not_supported OR undefined_file OR insufficient_privilege OR undefined_object THEN
        EXECUTE $f$
            CREATE FUNCTION similar_words(typed text) RETURNS SETOF text
            LANGUAGE sql STABLE
            AS $g$ SELECT NULL::text WHERE false $g$
        $f$;
        EXECUTE $f$
            CREATE FUNCTION similar_questions(asked text) RETURNS TABLE (article_id uuid, likeness real)
            LANGUAGE sql STABLE
            AS $g$ SELECT NULL::uuid, NULL::real WHERE false $g$
        $f$;
END
$$;
