//! Table `articles`. Articles have no owner, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::article::{ArticleId, Content, Origin, Slug, State};

/// An article with its current version.
pub(crate) struct Article {
    pub(crate) id: ArticleId,
    pub(crate) slug: Slug,
    pub(crate) origin: Origin,
    pub(crate) state: State,
    pub(crate) version: i32,
    pub(crate) content: Content,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
}

/// Makes all who change articles wait for each other: they rebuild the same passages and words.
pub(crate) async fn lock_all(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('articles', 0))").execute(conn).await?;
    Ok(())
}

/// Stores a new article. Its version is stored after it.
pub(crate) async fn insert(conn: &mut PgConnection, article: &Article) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO articles (article_id, slug, origin, state, version, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (slug) DO NOTHING",
        article.id.as_uuid(),
        article.slug.as_str(),
        article.origin.as_str(),
        article.state.as_str(),
        article.version,
        article.create_time,
        article.update_time,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Saves who wrote an article, its state and its version.
pub(crate) async fn update(conn: &mut PgConnection, article: &Article) -> Result<(), DbError> {
    let updated = sqlx::query!(
        "UPDATE articles SET origin = $2, state = $3, version = $4, update_time = $5 WHERE article_id = $1",
        article.id.as_uuid(),
        article.origin.as_str(),
        article.state.as_str(),
        article.version,
        article.update_time,
    )
    .execute(conn)
    .await?;
    one_row(&updated)
}

/// Gets an article by its name.
pub(crate) async fn get(conn: &mut PgConnection, slug: &Slug) -> Result<Option<Article>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT a.article_id, a.slug, a.origin, a.state, a.version, v.title, v.summary, v.tags, v.questions, v.body,
                a.create_time, a.update_time
         FROM articles AS a
         JOIN article_versions AS v ON v.article_id = a.article_id AND v.version = a.version
         WHERE a.slug = $1",
        slug.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .map(Article::try_from)
    .transpose()
}

/// Gets an article by its id.
pub(crate) async fn get_by_id(conn: &mut PgConnection, id: ArticleId) -> Result<Option<Article>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT a.article_id, a.slug, a.origin, a.state, a.version, v.title, v.summary, v.tags, v.questions, v.body,
                a.create_time, a.update_time
         FROM articles AS a
         JOIN article_versions AS v ON v.article_id = a.article_id AND v.version = a.version
         WHERE a.article_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Article::try_from)
    .transpose()
}

/// The names of the published articles that came with the service.
pub(crate) async fn shipped(conn: &mut PgConnection) -> Result<Vec<Slug>, DbError> {
    let rows =
        sqlx::query_scalar!("SELECT slug FROM articles WHERE origin = 'SHIPPED' AND state = 'PUBLISHED'")
            .fetch_all(conn)
            .await?;
    rows.iter().map(|slug| known("slug", slug)).collect()
}

/// Lists articles, newest first: one page and one more article.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Article>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT a.article_id, a.slug, a.origin, a.state, a.version, v.title, v.summary, v.tags, v.questions, v.body,
                a.create_time, a.update_time
         FROM articles AS a
         JOIN article_versions AS v ON v.article_id = a.article_id AND v.version = a.version
         WHERE ($1::text IS NULL OR a.state = $1)
           AND ($2::timestamptz IS NULL OR (a.create_time, a.article_id) < ($2, $3::uuid))
         ORDER BY a.create_time DESC, a.article_id DESC
         LIMIT $4",
        filter.state.map(State::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed =
        |row: Row| Listed::new("articles", (row.create_time, row.article_id), Article::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    article_id: Uuid,
    slug: String,
    origin: String,
    state: String,
    version: i32,
    title: String,
    summary: String,
    tags: Vec<String>,
    questions: Vec<String>,
    body: String,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl TryFrom<Row> for Article {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.article_id.into(),
            slug: known("slug", &row.slug)?,
            origin: known("origin", &row.origin)?,
            state: known("state", &row.state)?,
            version: row.version,
            content: Content {
                title: row.title,
                summary: row.summary,
                tags: row.tags,
                questions: row.questions,
                body: row.body,
            },
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}
