//! The SQL that finds the rows of a subject. It is built from the declarations in our own migrations. The identifiers of the subject are
//! always parameters.

use sqlx::{AssertSqlSafe, Postgres, postgres::PgArguments, query::Query};

use super::{
    Subject,
    catalogue::{Catalogue, Column, Table, quoted},
    declaration::{Action, Link},
    mention::Mentions,
};

/// The parameters $1 to $6 of the statements: the identifiers to search for.
pub(crate) struct Search {
    subs: Vec<String>,
    emails: Vec<String>,
    vendor_ids: Vec<String>,
    hashes: Vec<Vec<u8>>,
    callers: Vec<String>,
    candidates: Vec<String>,
    pub(crate) mentions: Mentions,
}

impl Search {
    /// A search for this subject. `hashes` are the keyed hashes of its addresses.
    pub(crate) fn new(subject: &Subject, hashes: Vec<Vec<u8>>) -> Self {
        let mentions = Mentions::of(subject);
        Self {
            subs: subject.subs.iter().cloned().collect(),
            emails: subject.emails.iter().cloned().collect(),
            vendor_ids: subject.vendor_ids.iter().cloned().collect(),
            hashes,
            callers: subject.subs.iter().map(|sub| format!("user:{sub}")).collect(),
            candidates: mentions.candidates(),
            mentions,
        }
    }

    /// A statement with the parameters $1 to $6.
    pub(crate) fn query(&self, sql: String) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(AssertSqlSafe(sql))
            .bind(&self.subs)
            .bind(&self.emails)
            .bind(&self.vendor_ids)
            .bind(&self.hashes)
            .bind(&self.callers)
            .bind(&self.candidates)
    }
}

/// The condition that a row, under this alias, is the subject's by its links.
pub(crate) fn owned(catalogue: &Catalogue, table: &Table, alias: &str) -> String {
    linked(catalogue, table, alias, false)
}

/// The condition that a row has an identifier of the subject, even if another person has claimed the row.
pub(crate) fn touched(catalogue: &Catalogue, table: &Table, alias: &str) -> String {
    linked(catalogue, table, alias, true)
}

fn linked(catalogue: &Catalogue, table: &Table, alias: &str, even_if_claimed: bool) -> String {
    let column = |name: &String| format!("{alias}.{}", quoted(name));
    let sub = table.declared.links.iter().find_map(|link| match link {
        Link::Sub(name) => Some(column(name)),
        _ => None,
    });
    // A row that a person has claimed belongs to that person only.
    let unclaimed = sub.filter(|_| !even_if_claimed).map(|sub| format!(" AND {sub} IS NULL"));
    let unclaimed = unclaimed.unwrap_or_default();
    let conditions = table.declared.links.iter().filter_map(|link| match link {
        Link::Sub(name) => Some(format!("{} = ANY($1)", column(name))),
        Link::Email(name) => Some(format!("({} = ANY($2){unclaimed})", column(name))),
        Link::Account(name) => Some(format!("{} = ANY($2)", column(name))),
        Link::Vendor(name) => Some(format!("({} = ANY($3){unclaimed})", column(name))),
        Link::Hash(name) => Some(format!("{} = ANY($4)", column(name))),
        Link::Caller(name) => Some(format!("{} = ANY($5)", column(name))),
        Link::Text(_) => None,
        Link::Of { column: name, table: parent, key } => {
            let parent = catalogue.table(parent)?;
            let inner = format!("{alias}p");
            Some(format!(
                "{} IN (SELECT {inner}.{} FROM {} {inner} WHERE {})",
                column(name),
                quoted(key),
                parent.sql(),
                linked(catalogue, parent, &inner, even_if_claimed)
            ))
        }
    });
    any(conditions)
}

/// The condition that a content of the row may mention the subject.
pub(crate) fn candidate(table: &Table, alias: &str) -> String {
    any(contents(table, alias).map(|content| {
        format!(
            "EXISTS (SELECT FROM unnest($6::text[]) AS wanted
                     WHERE strpos(lower(encode({content}, 'escape')), wanted) > 0)"
        )
    }))
}

/// The contents that may mention the subject, as bytes.
pub(crate) fn contents(table: &Table, alias: &str) -> impl Iterator<Item = String> {
    table.declared.links.iter().filter_map(move |link| match link {
        Link::Text(name) => {
            let column = format!("{alias}.{}", quoted(name));
            let is_bytes = table.column(name).is_some_and(|column| column.kind == "bytea");
            Some(if is_bytes { column } else { format!("convert_to({column}::text, 'UTF8')") })
        }
        _ => None,
    })
}

/// The condition that an erasure would still change the row.
pub(crate) fn remaining(table: &Table, alias: &str) -> String {
    match table.declared.action {
        Action::Delete => "true".to_owned(),
        Action::Keep => "false".to_owned(),
        Action::Null | Action::Pseudonymise => any(table.erased().map(|column| differs(column, alias))),
    }
}

/// The condition that a column still has a value of the person.
pub(crate) fn differs(column: &Column, alias: &str) -> String {
    format!("{alias}.{} IS DISTINCT FROM {}", quoted(&column.name), blank(column))
}

/// The value of an erased column.
pub(crate) fn blank(column: &Column) -> &'static str {
    let is_address = column.personal.as_ref().is_some_and(|personal| personal.category == "EMAIL");
    match column.kind.as_str() {
        _ if !column.not_null => "NULL",
        "jsonb" => "'{}'::jsonb",
        "bytea" => "'\\x'::bytea",
        "text[]" => "'{}'::text[]",
        _ if column.is_empty_by_default => "''",
        // No address can exist there (RFC 2606, 2).
        _ if is_address => "'erased@erased.invalid'",
        _ => "'erased'",
    }
}

/// The key of a row as an array of texts.
pub(crate) fn key(table: &Table, alias: &str) -> String {
    let columns: Vec<_> = table.key.iter().map(|name| format!("{alias}.{}::text", quoted(name))).collect();
    format!("ARRAY[{}]", columns.join(", "))
}

/// The columns of the key, and the condition that a row comes after the key in $7. On the first page, $7 is null. There are two conditions,
/// because PostgreSQL cannot use the index of the key for a condition that also accepts null: each page would read all rows before it.
pub(crate) fn after(table: &Table, alias: &str, is_first: bool) -> (String, String) {
    let columns: Vec<_> = table.key.iter().map(|name| format!("{alias}.{}", quoted(name))).collect();
    let columns = columns.join(", ");
    let values: Vec<_> = table
        .key
        .iter()
        .enumerate()
        .map(|(at, name)| format!("($7::text[])[{}]::{}", at + 1, kind(table, name)))
        .collect();
    let condition = if is_first {
        "$7::text[] IS NULL".to_owned()
    } else {
        format!("({columns}) > ({})", values.join(", "))
    };
    (columns, condition)
}

/// The SQL type of a column.
pub(crate) fn kind<'t>(table: &'t Table, name: &str) -> &'t str {
    table.column(name).map_or("text", |column| column.kind.as_str())
}

/// The condition that one of these conditions is true.
pub(crate) fn any(conditions: impl Iterator<Item = String>) -> String {
    let conditions: Vec<_> = conditions.collect();
    if conditions.is_empty() { "false".to_owned() } else { format!("({})", conditions.join(" OR ")) }
}
