-- The knowledge base. An article has versions; the published one is cut into passages, which are what a question is compared with.
CREATE TABLE articles (
    article_id uuid NOT NULL,
    slug text NOT NULL,
    origin text NOT NULL,
    state text NOT NULL,
    version integer NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    CONSTRAINT articles_pkey PRIMARY KEY (article_id),
    CONSTRAINT articles_slug_key UNIQUE (slug),
    CONSTRAINT articles_slug CHECK (slug ~ '^[a-z0-9-]{1,80}$'),
    CONSTRAINT articles_origin CHECK (origin IN ('SHIPPED', 'STAFF')),
    CONSTRAINT articles_state CHECK (state IN ('PUBLISHED', 'UNPUBLISHED')),
    CONSTRAINT articles_version CHECK (version >= 1)
);

CREATE INDEX articles_create ON articles (create_time DESC, article_id DESC);
CREATE INDEX articles_state_create ON articles (state, create_time DESC, article_id DESC);
CREATE INDEX articles_origin_state ON articles (origin, state);

CREATE TABLE article_versions (
    article_id uuid NOT NULL,
    version integer NOT NULL,
    title text NOT NULL,
    summary text NOT NULL,
    tags text[] NOT NULL,
    questions text[] NOT NULL,
    body text NOT NULL,
    content_hash bytea NOT NULL,
    origin text NOT NULL,
    create_time timestamptz NOT NULL,
    CONSTRAINT article_versions_pkey PRIMARY KEY (article_id, version),
    CONSTRAINT article_versions_article_id_fkey FOREIGN KEY (article_id) REFERENCES articles (article_id),
    CONSTRAINT article_versions_content_hash CHECK (length(content_hash) = 32),
    CONSTRAINT article_versions_origin CHECK (origin IN ('SHIPPED', 'STAFF'))
);

-- Only published articles have passages. Placeholders such as {{price.tier.starter}} are no words to search for.
CREATE TABLE passages (
    article_id uuid NOT NULL,
    position integer NOT NULL,
    title text NOT NULL,
    tags text NOT NULL,
    summary text NOT NULL,
    heading text NOT NULL,
    body text NOT NULL,
    search tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title || ' . ' || tags), 'A')
        || setweight(to_tsvector('english', heading), 'B')
        || setweight(to_tsvector('english', regexp_replace(body, '\{\{[^}]*\}\}', ' ', 'g')), 'C')
        || setweight(to_tsvector('english', summary), 'D')
    ) STORED,
    CONSTRAINT passages_pkey PRIMARY KEY (article_id, position),
    CONSTRAINT passages_article_id_fkey FOREIGN KEY (article_id) REFERENCES articles (article_id)
);

CREATE INDEX passages_search ON passages USING gin (search);

-- The questions that published articles answer, in customers' words.
CREATE TABLE questions (
    article_id uuid NOT NULL,
    position integer NOT NULL,
    question text NOT NULL,
    search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', question)) STORED,
    CONSTRAINT questions_pkey PRIMARY KEY (article_id, position),
    CONSTRAINT questions_article_id_fkey FOREIGN KEY (article_id) REFERENCES articles (article_id)
);

CREATE INDEX questions_search ON questions USING gin (search);

-- The words of all passages and questions as they are searched for, and how many articles have each: a rare word says more.
CREATE TABLE words (
    word text NOT NULL,
    articles integer NOT NULL,
    CONSTRAINT words_pkey PRIMARY KEY (word)
);

COMMENT ON TABLE articles IS 'The articles of the knowledge base.';
COMMENT ON COLUMN articles.article_id IS 'not personal';
COMMENT ON COLUMN articles.slug IS 'not personal';
COMMENT ON COLUMN articles.origin IS 'not personal';
COMMENT ON COLUMN articles.state IS 'not personal';
COMMENT ON COLUMN articles.version IS 'not personal';
COMMENT ON COLUMN articles.create_time IS 'not personal';
COMMENT ON COLUMN articles.update_time IS 'not personal';
COMMENT ON TABLE article_versions IS 'Every version of every article.';
COMMENT ON COLUMN article_versions.article_id IS 'not personal';
COMMENT ON COLUMN article_versions.version IS 'not personal';
COMMENT ON COLUMN article_versions.title IS 'not personal';
COMMENT ON COLUMN article_versions.summary IS 'not personal';
COMMENT ON COLUMN article_versions.tags IS 'not personal';
COMMENT ON COLUMN article_versions.questions IS 'not personal';
COMMENT ON COLUMN article_versions.body IS 'not personal';
COMMENT ON COLUMN article_versions.content_hash IS 'not personal';
COMMENT ON COLUMN article_versions.origin IS 'not personal';
COMMENT ON COLUMN article_versions.create_time IS 'not personal';
COMMENT ON TABLE passages IS 'The passages of published articles.';
COMMENT ON COLUMN passages.article_id IS 'not personal';
COMMENT ON COLUMN passages.position IS 'not personal';
COMMENT ON COLUMN passages.title IS 'not personal';
COMMENT ON COLUMN passages.tags IS 'not personal';
COMMENT ON COLUMN passages.summary IS 'not personal';
COMMENT ON COLUMN passages.heading IS 'not personal';
COMMENT ON COLUMN passages.body IS 'not personal';
COMMENT ON COLUMN passages.search IS 'not personal';
COMMENT ON TABLE questions IS 'The questions that published articles answer.';
COMMENT ON COLUMN questions.article_id IS 'not personal';
COMMENT ON COLUMN questions.position IS 'not personal';
COMMENT ON COLUMN questions.question IS 'not personal';
COMMENT ON COLUMN questions.search IS 'not personal';
COMMENT ON TABLE words IS 'The words of the passages and the questions.';
COMMENT ON COLUMN words.word IS 'not personal';
COMMENT ON COLUMN words.articles IS 'not personal';
