//! The tables of a service's database with their declarations, read from PostgreSQL's catalogue.

use sqlx::{FromRow, PgConnection};

use super::declaration::{self, Action, Link, PersonalColumn, TableDeclaration};
use crate::{db::DbError, service_error};

service_error! {
    /// The declarations cannot be read.
    #[derive(Debug, thiserror::Error)]
    pub enum CatalogueError {
        /// A comment is wrong. A test finds it before a release.
        #[error("a table of this service does not declare its personal data as it should")]
        Declaration(#[source] Mistake) => Internal "INTERNAL",
        /// The database.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}

/// A mistake in the comment of a table or of a column.
#[derive(Debug, thiserror::Error)]
#[error("the comment of {0}")]
pub struct Mistake(String);

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The SQL type.
    pub(crate) kind: String,
    pub(crate) not_null: bool,
    /// The default is the empty text.
    pub(crate) is_empty_by_default: bool,
    /// An index of all rows begins with this column, so its least value is found at once.
    pub(crate) is_indexed: bool,
    pub(crate) personal: Option<PersonalColumn>,
}

impl Column {
    /// Whether the column can have no value, or has a value that is the same for everybody.
    pub(crate) fn can_be_blank(&self) -> bool {
        !self.not_null || ["text", "jsonb", "bytea", "text[]"].contains(&self.kind.as_str())
    }
}

/// A table that declares the owners of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// The names of the columns of the primary key.
    pub(crate) key: Vec<String>,
    pub(crate) declared: TableDeclaration,
}

impl Table {
    /// The name in reports: without the schema, if that is the service's own.
    pub(crate) fn title(&self) -> String {
        if self.schema == "public" { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }

    /// The name in SQL.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The parent tables: its rows belong to their rows.
    pub(crate) fn parents(&self) -> impl Iterator<Item = &str> {
        self.declared.links.iter().filter_map(|link| match link {
            Link::Of { table, .. } => Some(table.as_str()),
            _ => None,
        })
    }

    /// The columns that an erasure changes.
    pub(crate) fn erased(&self) -> impl Iterator<Item = &Column> {
        let changes = matches!(self.declared.action, Action::Null | Action::Pseudonymise);
        let is_erased = move |column: &&Column| {
            changes && column.personal.as_ref().is_some_and(|personal| !personal.is_kept)
        };
        self.columns.iter().filter(is_erased)
    }

    /// The personal columns that an erasure does not change.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Column> {
        let keeps_all = self.declared.action == Action::Keep;
        self.columns.iter().filter(move |column| {
            column.personal.as_ref().is_some_and(|personal| keeps_all || personal.is_kept)
        })
    }
}

/// A name in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables with personal data of one database, each after the tables that refer to it.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(crate) tables: Vec<Table>,
    undeclared: Vec<String>,
}

#[derive(FromRow)]
struct Row {
    schema: String,
    table: String,
    comment: Option<String>,
    column: String,
    kind: String,
    not_null: bool,
    is_empty_by_default: bool,
    is_indexed: bool,
    column_comment: Option<String>,
    key_position: Option<i32>,
}

impl Catalogue {
    /// Reads the catalogue.
    pub async fn read(conn: &mut PgConnection) -> Result<Self, CatalogueError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT n.nspname::text AS schema, c.relname::text AS table, obj_description(c.oid, 'pg_class') AS comment,
                      a.attname::text AS column, format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull AS not_null,
                      coalesce(pg_get_expr(d.adbin, d.adrelid) = '''''::text', false) AS is_empty_by_default,
                      EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indkey[0] = a.attnum AND x.indpred IS NULL)
                          AS is_indexed,
                      col_description(c.oid, a.attnum) AS column_comment,
                      array_position(i.indkey::int2[], a.attnum) AS key_position
               FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
               LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
               WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('public', 'runtime')
                 AND c.relname NOT IN ('_sqlx_migrations', 'migrations')
               ORDER BY 1, 2, a.attnum",
        )
        .fetch_all(conn)
        .await
        .map_err(DbError::from)?;
        let mut catalogue = Self { tables: Vec::new(), undeclared: Vec::new() };
        for rows in rows.chunk_by(|one, next| (&one.schema, &one.table) == (&next.schema, &next.table)) {
            catalogue.add(rows)?;
        }
        catalogue.tables = children_first(catalogue.tables)?;
        Ok(catalogue)
    }

    fn add(&mut self, rows: &[Row]) -> Result<(), CatalogueError> {
        let Some(Row { schema, table: name, comment, .. }) = rows.first() else { return Ok(()) };
        let mistake = |what: String| CatalogueError::Declaration(Mistake(format!("{name}: {what}")));
        let mut columns = Vec::new();
        for row in rows {
            let personal = declaration::column(row.column_comment.as_deref().unwrap_or_default());
            columns.push(Column {
                name: row.column.clone(),
                kind: row.kind.clone(),
                not_null: row.not_null,
                is_empty_by_default: row.is_empty_by_default,
                is_indexed: row.is_indexed,
                personal: personal.map_err(|what| mistake(format!("{}: {what}", row.column)))?,
            });
        }
        let mut key: Vec<_> = rows.iter().filter(|row| row.key_position.is_some()).collect();
        key.sort_by_key(|row| row.key_position);
        let key = key.into_iter().map(|row| row.column.clone()).collect();
        match declaration::table(comment.as_deref().unwrap_or_default()).map_err(mistake)? {
            Some(declared) => {
                let table = Table { schema: schema.clone(), name: name.clone(), columns, key, declared };
                check(&table).map_err(mistake)?;
                self.tables.push(table);
            }
            None if columns.iter().any(|column| column.personal.is_some()) => {
                self.undeclared.push(format!("{schema}.{name}"));
            }
            None => {}
        }
        Ok(())
    }

    /// The tables with personal columns that do not declare the owners of their rows. A test expects none.
    #[must_use]
    pub fn undeclared(&self) -> &[String] {
        &self.undeclared
    }

    /// The names of the tables that declare the owners of their rows.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.tables.iter().map(Table::title)
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// Checks that the declaration fits the table.
fn check(table: &Table) -> Result<(), String> {
    if table.key.is_empty() {
        return Err("it has no primary key".to_owned());
    }
    let linked = table.declared.links.iter().map(|link| match link {
        Link::Sub(column)
        | Link::Email(column)
        | Link::Account(column)
        | Link::Vendor(column)
        | Link::Hash(column)
        | Link::Caller(column)
        | Link::Text(column)
        | Link::Of { column, .. } => column,
    });
    for column in linked.chain(&table.declared.clock) {
        table.column(column).ok_or_else(|| format!("it has no column {column}"))?;
    }
    if table.kept().next().is_some() && table.declared.ground.is_empty() {
        return Err("it keeps a column without a ground".to_owned());
    }
    for column in table.erased() {
        if table.declared.action == Action::Null && column.not_null {
            return Err(format!("{} cannot be null", column.name));
        }
        if !column.can_be_blank() {
            return Err(format!("{} has no value that is the same for everybody", column.name));
        }
        if table.key.contains(&column.name) {
            return Err(format!("{} is part of the key", column.name));
        }
    }
    Ok(())
}

/// Sorts the tables so that each follows the tables that refer to it.
fn children_first(mut tables: Vec<Table>) -> Result<Vec<Table>, CatalogueError> {
    let mut sorted: Vec<Table> = Vec::new();
    while !tables.is_empty() {
        let is_parent = |name: &str| {
            let refers = |table: &Table| {
                let to = |link: &Link| matches!(link, Link::Of { table: to, .. } if to == name);
                table.name != name && table.declared.links.iter().any(to)
            };
            tables.iter().any(refers)
        };
        let (later, now): (Vec<_>, Vec<_>) = tables.iter().cloned().partition(|table| is_parent(&table.name));
        if now.is_empty() {
            let circle = later.first().map(|table| table.name.clone()).unwrap_or_default();
            return Err(CatalogueError::Declaration(Mistake(format!("{circle}: its links go in a circle"))));
        }
        sorted.extend(now);
        tables = later;
    }
    for table in &sorted {
        for link in &table.declared.links {
            if let Link::Of { table: parent, key, .. } = link {
                let found = sorted.iter().find(|other| other.name == *parent);
                if found.and_then(|found| found.column(key)).is_none() {
                    let what =
                        format!("{}: there is no {parent}.{key} that declares whose it is", table.name);
                    return Err(CatalogueError::Declaration(Mistake(what)));
                }
            }
        }
    }
    Ok(sorted)
}
