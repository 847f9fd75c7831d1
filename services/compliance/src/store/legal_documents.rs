//! Table `legal_documents`. Everybody may read it, so nothing here takes a `Scope`. Rows are only added.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::legal_document::{DocumentKind, LegalDocument, LegalDocumentId};

/// Adds a version. Returns false if there is one of this kind and name.
pub(crate) async fn insert(conn: &mut PgConnection, document: &LegalDocument) -> Result<bool, DbError> {
    let added = sqlx::query!(
        "INSERT INTO legal_documents (legal_document_id, kind, version, changes, body, text_sha256, acceptance_required,
                                      effective_time, publish_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT ON CONSTRAINT legal_documents_version_key DO NOTHING",
        document.id.as_uuid(),
        document.kind.as_str(),
        document.version,
        &document.changes,
        document.text,
        document.sha256,
        document.acceptance_required,
        document.effective_time,
        document.publish_time,
    )
    .execute(conn)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Gets one version.
pub(crate) async fn get(
    conn: &mut PgConnection,
    id: LegalDocumentId,
) -> Result<Option<LegalDocument>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT legal_document_id, kind, version, changes, body, text_sha256, acceptance_required, effective_time, publish_time
         FROM legal_documents WHERE legal_document_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(LegalDocument::try_from)
    .transpose()
}

/// Gets every version, without its text. There are few: people publish them.
pub(crate) async fn all(conn: &mut PgConnection) -> Result<Vec<LegalDocument>, DbError> {
    let kinds: Vec<_> = DocumentKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    sqlx::query_as!(
        Row,
        r#"SELECT legal_document_id, kind, version, changes, '' AS "body!", text_sha256, acceptance_required, effective_time,
                  publish_time
           FROM legal_documents WHERE kind = ANY($1)"#,
        &kinds,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(LegalDocument::try_from)
    .collect()
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) kind: Option<DocumentKind>,
}

/// Lists versions without their texts, those that were published last first: one page and one more.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<LegalDocument>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT legal_document_id, kind, version, changes, '' AS "body!", text_sha256, acceptance_required, effective_time,
                  publish_time
           FROM legal_documents
           WHERE ($1::text IS NULL OR kind = $1)
             AND ($2::timestamptz IS NULL OR (publish_time, legal_document_id) < ($2, $3::uuid))
           ORDER BY publish_time DESC, legal_document_id DESC
           LIMIT $4"#,
        filter.kind.map(DocumentKind::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        let place = (row.publish_time, row.legal_document_id);
        Listed::new("legal_documents", place, LegalDocument::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    legal_document_id: Uuid,
    kind: String,
    version: String,
    changes: Vec<String>,
    body: String,
    text_sha256: String,
    acceptance_required: bool,
    effective_time: DateTime<Utc>,
    publish_time: DateTime<Utc>,
}

impl TryFrom<Row> for LegalDocument {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.legal_document_id.into(),
            kind: known("kind", &row.kind)?,
            version: row.version,
            changes: row.changes,
            text: row.body,
            sha256: row.text_sha256,
            acceptance_required: row.acceptance_required,
            effective_time: row.effective_time,
            publish_time: row.publish_time,
        })
    }
}
