//! Reads the declarations in the comments of tables and columns. It shares no code with the chassis' own reader, so that both check each
//! other.

use std::collections::BTreeSet;

use levqor_runtime::db::Db;

use super::named;

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// The SQL type.
    pub(super) kind: String,
    pub(super) not_null: bool,
    /// Whether PostgreSQL provides a value if a statement gives none.
    pub(super) is_given: bool,
    /// The category of the personal data in it.
    pub(super) category: Option<String>,
}

/// A link from a row to its person.
#[derive(Debug)]
pub(super) enum Link {
    /// The kind, such as `email`, and the column.
    Own(String, String),
    /// The column, and the table and the column that it refers to.
    Of(String, String, String),
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) links: Vec<Link>,
    /// The path of the file of a row, with columns in braces.
    pub(super) file: Option<String>,
}

impl Table {
    /// The name in reports.
    pub(super) fn title(&self) -> String {
        if self.schema == "public" { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }

    /// The kind of the link in a column.
    pub(super) fn own_link(&self, column: &str) -> Option<&str> {
        self.links.iter().find_map(|link| match link {
            Link::Own(kind, of) if of == column => Some(kind.as_str()),
            Link::Own(..) | Link::Of(..) => None,
        })
    }

    /// The column with a link of this kind.
    pub(super) fn column_of(&self, kind: &str) -> Option<&Column> {
        self.columns.iter().find(|column| self.own_link(&column.name) == Some(kind))
    }

    /// The first link to another table: the column here, the other table, and the column there.
    pub(super) fn parent(&self) -> Option<(&str, &str, &str)> {
        self.links.iter().find_map(|link| match link {
            Link::Of(column, table, key) => Some((column.as_str(), table.as_str(), key.as_str())),
            Link::Own(..) => None,
        })
    }
}

/// Every column of every service that is declared personal, as `service.table.column`.
pub(crate) async fn personal_columns(databases: &[Db]) -> BTreeSet<String> {
    let mut personal = BTreeSet::new();
    for (service, db) in named(databases) {
        for table in tables(db).await {
            let columns = table.columns.iter().filter(|column| column.category.is_some());
            personal.extend(columns.map(|column| format!("{service}.{}.{}", table.title(), column.name)));
        }
    }
    personal
}

/// Schema, table, its comment, column, its type, whether it must have a value and whether it is given one, and its comment.
type Row = (String, String, Option<String>, String, String, bool, bool, Option<String>);

/// The tables of a database, with their declarations.
pub(super) async fn tables(db: &Db) -> Vec<Table> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT n.nspname::text, c.relname::text, obj_description(c.oid, 'pg_class'), a.attname::text,
                format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> '',
                col_description(c.oid, a.attnum)
         FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('public', 'runtime')
         ORDER BY n.nspname, c.relname, a.attnum",
    )
    .fetch_all(db.pool())
    .await
    .expect("the catalogue");
    let groups = rows.chunk_by(|one, next| (&one.0, &one.1) == (&next.0, &next.1));
    groups.filter_map(|rows| rows.first().map(|first| table(first, rows))).collect()
}

fn table(first: &Row, rows: &[Row]) -> Table {
    let (schema, name, comment, ..) = first;
    let comment = comment.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let declared = comment.split_once("subject: ").map_or("", |(_, declared)| declared);
    let links = declared.split(';').next().unwrap_or_default().split(", ").filter_map(link).collect();
    let file = declared.split("; file: ").nth(1).and_then(|rest| rest.split(';').next());
    let column = |(_, _, _, name, kind, not_null, is_given, comment): &Row| {
        let personal = comment.as_deref().and_then(|comment| comment.strip_prefix("personal: "));
        let category = personal.and_then(|rest| rest.split(';').next()).map(str::to_owned);
        Column { name: name.clone(), kind: kind.clone(), not_null: *not_null, is_given: *is_given, category }
    };
    Table {
        schema: schema.clone(),
        name: name.clone(),
        columns: rows.iter().map(column).collect(),
        links,
        file: file.map(str::to_owned),
    }
}

fn link(text: &str) -> Option<Link> {
    match text.split(' ').collect::<Vec<_>>()[..] {
        [column, "of", other] => {
            let (table, key) = other.split_once('.')?;
            Some(Link::Of(column.to_owned(), table.to_owned(), key.to_owned()))
        }
        [kind, column] => Some(Link::Own(kind.to_owned(), column.to_owned())),
        _ => None,
    }
}
