//! Table `declarations`. Rows are only added. A function that a customer's call can reach takes a `Scope` and puts it into the `WHERE`.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    address::AddressHash,
    context::{Client, Scope},
    db::{DbError, ListTx, Listed, Page, known, known_if_any},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    consent::Decision,
    declaration::{Declaration, DeclarationId, DeclarationKind, Person, Shown},
};

/// Adds a declaration. Returns false if the change that it is about was added before.
pub(crate) async fn insert(conn: &mut PgConnection, declaration: &Declaration) -> Result<bool, DbError> {
    let person = &declaration.person;
    let added = sqlx::query!(
        "INSERT INTO declarations (declaration_id, kind, scope, given, owner_sub, email, visitor_id, address_hash, version,
                                   text_sha256, source, by_signal, client_network, client_program, origin, declare_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT ON CONSTRAINT declarations_origin_key DO NOTHING",
        declaration.id.as_uuid(),
        declaration.kind.as_str(),
        declaration.scope,
        declaration.given,
        person.sub,
        person.email.as_ref().map(Email::as_str),
        person.visitor_id,
        person.address_hash.as_ref().map(AddressHash::as_bytes),
        declaration.shown.version,
        declaration.shown.sha256,
        declaration.source,
        declaration.by_signal,
        declaration.client.network,
        declaration.client.program,
        declaration.origin,
        declaration.declare_time,
    )
    .execute(conn)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// A person's last decision about each scope, by the person's known identifiers.
pub(crate) async fn last(
    conn: &mut PgConnection,
    kind: DeclarationKind,
    person: &Person,
) -> Result<Vec<Decision>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (scope) scope AS "scope!", given AS "given!", declare_time AS "declare_time!"
           FROM (
               (SELECT declaration_id, scope, given, declare_time FROM declarations WHERE kind = $1 AND owner_sub = $2)
               UNION ALL
               (SELECT declaration_id, scope, given, declare_time FROM declarations
                WHERE kind = $1 AND owner_sub IS NULL AND email = $3)
               UNION ALL
               (SELECT declaration_id, scope, given, declare_time FROM declarations
                WHERE kind = $1 AND visitor_id = $4 AND scope LIKE 'COOKIES%')
           ) AS theirs
           ORDER BY scope, declare_time DESC, declaration_id DESC"#,
        kind.as_str(),
        person.sub,
        person.email.as_ref().map(Email::as_str),
        person.visitor_id,
    )
    .fetch_all(conn)
    .await?;
    let decision =
        rows.into_iter().map(|row| Decision { scope: row.scope, given: row.given, time: row.declare_time });
    Ok(decision.collect())
}

/// The account that objected last to something of this scope, or to anything, by the address that it had.
pub(crate) async fn objector(
    conn: &mut PgConnection,
    email: &Email,
    scope: Option<&str>,
) -> Result<Option<String>, DbError> {
    let row = sqlx::query_scalar!(
        "SELECT owner_sub FROM declarations
         WHERE email = $1 AND kind = 'OBJECTION' AND ($2::text IS NULL OR scope = $2) AND owner_sub IS NOT NULL
         ORDER BY declare_time DESC, declaration_id DESC
         LIMIT 1",
        email.as_str(),
        scope,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.flatten())
}

/// The kinds and the versions of the documents that a person accepted.
pub(crate) async fn accepted(
    conn: &mut PgConnection,
    scope: &Scope,
) -> Result<Vec<(String, String)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT scope AS "kind!", version AS "version!" FROM declarations
           WHERE kind = 'ACCEPTANCE' AND given AND owner_sub = $1
           UNION
           SELECT scope, version FROM declarations
           WHERE kind = 'ACCEPTANCE' AND given AND owner_sub IS NULL AND email = $2"#,
        scope.sub(),
        scope.email(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.version)).collect())
}

/// How many people accepted one of these versions of a kind of document, and how many only others.
pub(crate) async fn count_acceptances(
    conn: &mut PgConnection,
    kind: &str,
    sufficient: &[String],
) -> Result<(i64, i64), DbError> {
    let counts = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE is_enough) AS "accepted!", count(*) FILTER (WHERE NOT is_enough) AS "pending!"
           FROM (
               SELECT bool_or(version = ANY($2)) AS is_enough FROM declarations
               WHERE kind = 'ACCEPTANCE' AND scope = $1 AND given AND coalesce(owner_sub, email) IS NOT NULL
               GROUP BY coalesce(owner_sub, email)
           ) AS people"#,
        kind,
        sufficient,
    )
    .fetch_one(conn)
    .await?;
    Ok((counts.accepted, counts.pending))
}

/// The next people who accepted a version of a kind of document, or of the terms: everybody has to accept terms; a notice needs no
/// acceptance. Each is named by their first acceptance.
pub(crate) async fn acceptors(
    conn: &mut PgConnection,
    kind: &str,
    after: DeclarationId,
    most: i64,
) -> Result<Vec<(DeclarationId, Email)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT declaration_id, email AS "email!" FROM declarations AS acceptance
           WHERE kind = 'ACCEPTANCE' AND email <> '' AND scope IN ($1, 'TERMS') AND declaration_id > $2
             AND NOT EXISTS (
                 SELECT FROM declarations AS earlier
                 WHERE earlier.kind = 'ACCEPTANCE' AND earlier.email = acceptance.email AND earlier.scope IN ($1, 'TERMS')
                   AND earlier.declaration_id < acceptance.declaration_id
             )
           ORDER BY declaration_id
           LIMIT $3"#,
        kind,
        after.as_uuid(),
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((row.declaration_id.into(), known("email", &row.email)?))).collect()
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) email: Option<Email>,
}

/// Lists the declarations of a kind that the scope may see, newest first: one page and one more.
pub(crate) async fn list(
    tx: &mut ListTx,
    scope: &Scope,
    kind: DeclarationKind,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Declaration>>, DbError> {
    // Three branches; the scope enables one or two of them. Each uses its own index in the order of the page.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT declaration_id AS "declaration_id!", kind AS "kind!", scope AS "scope!", given AS "given!", owner_sub, email,
                  visitor_id, address_hash, version AS "version!", text_sha256 AS "text_sha256!", source AS "source!",
                  by_signal AS "by_signal!", client_network, client_program, origin, declare_time AS "declare_time!"
           FROM (
               (SELECT * FROM declarations
                WHERE $1::boolean AND kind = $8 AND ($4::text IS NULL OR email = $4)
                  AND ($5::timestamptz IS NULL OR (declare_time, declaration_id) < ($5, $6::uuid))
                ORDER BY declare_time DESC, declaration_id DESC
                LIMIT $7)
               UNION ALL
               (SELECT * FROM declarations
                WHERE NOT $1 AND owner_sub = $2 AND kind = $8 AND ($4 IS NULL OR email = $4)
                  AND ($5 IS NULL OR (declare_time, declaration_id) < ($5, $6))
                ORDER BY declare_time DESC, declaration_id DESC
                LIMIT $7)
               UNION ALL
               (SELECT * FROM declarations
                WHERE NOT $1 AND owner_sub IS NULL AND email = $3 AND kind = $8 AND ($4 IS NULL OR email = $4)
                  AND ($5 IS NULL OR (declare_time, declaration_id) < ($5, $6))
                ORDER BY declare_time DESC, declaration_id DESC
                LIMIT $7)
           ) AS seen
           ORDER BY declare_time DESC, declaration_id DESC
           LIMIT $7"#,
        scope.is_all(),
        scope.sub(),
        scope.email(),
        filter.email.as_ref().map(Email::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
        kind.as_str(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        let place = (row.declare_time, row.declaration_id);
        Listed::new("declarations", place, Declaration::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    declaration_id: Uuid,
    kind: String,
    scope: String,
    given: bool,
    owner_sub: Option<String>,
    email: Option<String>,
    visitor_id: Option<String>,
    address_hash: Option<Vec<u8>>,
    version: String,
    text_sha256: String,
    source: String,
    by_signal: bool,
    client_network: Option<String>,
    client_program: Option<String>,
    origin: Option<String>,
    declare_time: DateTime<Utc>,
}

impl TryFrom<Row> for Declaration {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let person = Person {
            sub: row.owner_sub,
            email: known_if_any("email", row.email.as_deref())?,
            visitor_id: row.visitor_id,
            address_hash: row.address_hash.as_deref().and_then(AddressHash::stored),
        };
        Ok(Self {
            id: row.declaration_id.into(),
            kind: known("kind", &row.kind)?,
            scope: row.scope,
            given: row.given,
            person,
            shown: Shown { version: row.version, sha256: row.text_sha256 },
            source: row.source,
            by_signal: row.by_signal,
            client: Client {
                network: row.client_network,
                program: row.client_program,
                objects_by_signal: row.by_signal,
            },
            origin: row.origin,
            declare_time: row.declare_time,
        })
    }
}
