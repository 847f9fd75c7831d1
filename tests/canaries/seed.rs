//! Puts the values of a person into every column that is declared personal, of every table of every service, and into a file for each
//! row that names one. To imitate the database of a release, it also fills the tables without personal data. A new table needs nothing
//! here, unless its constraints refuse the plain values: then the insert fails, and `values` needs values that they accept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use levqor_proto::mail::v1::SendMessageRequest;
use levqor_runtime::{db::Db, testing};
use prost::Message;
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;

use super::{
    declared::{self, Column, Table},
    named,
    person::Person,
    values::{self, NEEDED},
};

/// How a row is linked to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// It has the id of their account.
    Claimed,
    /// It names no account, and is found by the person's address, or by the row that it belongs to.
    Guest,
    /// It is found only by the person's customer at Stripe.
    Payer,
}

/// The number of a person's rows, by service and by the name of the table in reports.
pub(crate) type Seeded = BTreeMap<(String, String), i64>;

/// PostgreSQL's code of a row that refers to a row that does not exist.
const NO_SUCH_ROW: &str = "23503";

/// Writes the values of a person into every table.
pub(crate) async fn seed(databases: &[Db], files: &Path, person: &Person) -> Seeded {
    let mut seeded = Seeded::new();
    for (service, db) in named(databases) {
        let mut tables = declared::tables(db).await;
        tables.retain(|table| is_wanted(service, table));
        for title in insert_rows(service, db, &tables, person, Some(files)).await {
            if !NEEDED.contains(&format!("{service}.{title}").as_str()) {
                *seeded.entry((service.to_owned(), title)).or_default() += 1;
            }
        }
    }
    seeded
}

/// Puts rows into every table of a service that has none, with the values of a person where personal data belongs. Stores no files.
pub(crate) async fn fill(service: &'static str, db: &Db, person: &Person) {
    let mut tables = Vec::new();
    for table in declared::tables(db).await {
        if testing::count(db, &format!("\"{}\".\"{}\"", table.schema, table.name)).await == 0 {
            tables.push(table);
        }
    }
    insert_rows(service, db, &tables, person, None).await;
}

/// Inserts the rows of a person into these tables, and stores the files that the rows name. Returns the name of the table of each row.
async fn insert_rows(
    service: &'static str,
    db: &Db,
    tables: &[Table],
    person: &Person,
    files: Option<&Path>,
) -> Vec<String> {
    let guests = guests(tables);
    let mut titles = Vec::new();
    for variant in [Variant::Claimed, Variant::Guest, Variant::Payer] {
        let wanted = |table: &&Table| match variant {
            Variant::Claimed => true,
            Variant::Guest => guests.contains(&table.name),
            Variant::Payer => table.name == "holds",
        };
        let one = Seeder { service, db, files, person, variant, instants: instants(db).await };
        titles.extend(one.insert_all(tables.iter().filter(wanted).collect()).await);
    }
    titles
}

/// Whether rows of a table can be a person's: it has personal columns, or its rows belong to rows that have.
fn is_wanted(service: &str, table: &Table) -> bool {
    let is_personal = table.columns.iter().any(|column| column.category.is_some());
    is_personal
        || table.parent().is_some()
        || NEEDED.contains(&format!("{service}.{}", table.title()).as_str())
}

/// The tables that may have rows of people without an account.
fn guests(tables: &[Table]) -> BTreeSet<String> {
    let mut guests = BTreeSet::new();
    loop {
        let before = guests.len();
        for table in tables {
            let may_be_nobodys = table.column_of("sub").is_none_or(|sub| !sub.not_null);
            let has_address = table.column_of("sub").is_some() && table.column_of("email").is_some();
            let belongs = parents(table).next().is_some_and(|(_, parent, _)| guests.contains(parent));
            if may_be_nobodys && (has_address || belongs) {
                guests.insert(table.name.clone());
            }
        }
        if guests.len() == before {
            return guests;
        }
    }
}

/// The rows that a row belongs to: the one that is declared first, and all others that it needs.
fn parents(table: &Table) -> impl Iterator<Item = (&str, &str, &str)> {
    // A table of the same name in another service may have other columns.
    let has = move |column: &str| table.columns.iter().any(|it| it.name == column);
    let links = values::links(&table.name).iter().copied().filter(move |(column, ..)| has(column));
    table.parent().into_iter().chain(links)
}

/// Three instants of this database's clock: now, in a year, and some days ago.
async fn instants(db: &Db) -> [String; 3] {
    let (now, later, before): (String, String, String) = sqlx::query_as(
        "SELECT runtime.now()::text, (runtime.now() + interval '1 year')::text, (runtime.now() - interval '3 days')::text",
    )
    .fetch_one(db.pool())
    .await
    .expect("the time");
    [now, later, before]
}

/// Inserts rows of one kind into one database.
struct Seeder<'s> {
    service: &'static str,
    db: &'s Db,
    files: Option<&'s Path>,
    person: &'s Person,
    variant: Variant,
    instants: [String; 3],
}

impl Seeder<'_> {
    /// Inserts a row into each table: first those that others refer to. Returns the names of the tables.
    async fn insert_all(&self, mut waiting: Vec<&Table>) -> Vec<String> {
        let mut rows: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        let mut titles = Vec::new();
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut later = Vec::new();
            for table in waiting {
                let Some(row) = self.insert(table, &rows).await else {
                    later.push(table);
                    continue;
                };
                self.store_file(table, &row);
                rows.insert(table.name.clone(), row);
                titles.push(table.title());
            }
            waiting = later;
            let names: Vec<_> = waiting.iter().map(|table| &table.name).collect();
            assert!(
                waiting.len() < before,
                "{}: nothing that these refer to is there: {names:?}",
                self.service
            );
        }
        titles
    }

    /// Inserts a row. `None` if a row that it refers to is not there yet.
    async fn insert(
        &self,
        table: &Table,
        rows: &BTreeMap<String, Map<String, Value>>,
    ) -> Option<Map<String, Value>> {
        let row = self.row(table, rows)?;
        let columns: Vec<_> = row.keys().map(|column| format!("\"{column}\"")).collect();
        let columns = columns.join(", ");
        let name = format!("\"{}\".\"{}\"", table.schema, table.name);
        let sql = format!(
            "INSERT INTO {name} AS r ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{name}, $1)
             RETURNING to_jsonb(r.*)"
        );
        let inserted: Result<Value, _> =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(Value::Object(row)).fetch_one(self.db.pool()).await;
        match inserted {
            Ok(Value::Object(row)) => Some(row),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_ROW) => None,
            other => panic!("{}.{}: {other:?}", self.service, table.title()),
        }
    }

    /// The columns of a row. `None` if it belongs to a row that is not there yet.
    fn row(&self, table: &Table, rows: &BTreeMap<String, Map<String, Value>>) -> Option<Map<String, Value>> {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut row = Map::new();
        for column in &table.columns {
            let is_personal = column.category.is_some() || table.own_link(&column.name).is_some();
            if is_personal {
                row.insert(column.name.clone(), self.personal(table, column, n));
            } else if column.not_null && !column.is_given {
                row.insert(column.name.clone(), self.plain(column, n));
            }
        }
        if self.variant != Variant::Claimed
            && let Some(sub) = table.column_of("sub")
        {
            row.insert(sub.name.clone(), Value::Null);
        }
        for (column, parent, key) in parents(table) {
            row.insert(column.to_owned(), rows.get(parent)?.get(key)?.clone());
        }
        let Value::Object(values) =
            values::values(&format!("{}.{}", self.service, table.title()), self.variant)
        else {
            panic!("the values of a row are an object");
        };
        for (column, value) in values {
            row.insert(column, self.instant(value));
        }
        Some(row)
    }

    /// A value that is not personal.
    fn plain(&self, column: &Column, n: u64) -> Value {
        match column.kind.as_str() {
            "uuid" => Value::from(format!("0190b2c4-0000-7000-8000-{n:012x}")),
            "text" => Value::from(format!("seed-{n}")),
            "bytea" => Value::from(format!("\\x{n:064x}")),
            "smallint" | "integer" | "bigint" => json!(1),
            "boolean" => json!(false),
            "timestamp with time zone" | "date" => Value::from(self.instants[0].as_str()),
            "jsonb" => json!({}),
            kind if kind.ends_with("[]") => json!([]),
            kind => panic!("{}.{}: no plain value of the type {kind}", self.service, column.name),
        }
    }

    /// The value of the person that belongs into a column.
    fn personal(&self, table: &Table, column: &Column, n: u64) -> Value {
        let Person { mark, sub, spelt, email, stripe_customer, ip, .. } = self.person;
        let text = match (table.own_link(&column.name), column.category.as_deref()) {
            (Some("sub"), _) => sub.clone(),
            (Some("email" | "account"), _) => email.clone(),
            (Some("stripe"), _) => stripe_customer.clone(),
            (Some("caller"), _) => format!("user:{sub}"),
            (Some("hash"), _) => return self.plain(column, n),
            (Some("text"), _) if column.kind == "bytea" => return bytes(&self.content(&column.name)),
            (Some("text"), _) => format!("stripe:{stripe_customer}"),
            (_, Some("EMAIL")) => spelt.clone(),
            (_, Some("NAME")) => self.person.name(),
            (_, Some("IP")) => ip.clone(),
            (_, Some("PAYMENT")) => format!("pay_{mark}_{n}"),
            (_, Some("IDENTIFIER")) => format!("id_{mark}_{n}"),
            (_, Some("MESSAGE")) => self.person.text(),
            (link, category) => panic!("{}: no value of {link:?} and {category:?}", column.name),
        };
        match column.kind.as_str() {
            "text" => Value::from(text),
            "jsonb" => json!({"note": text}),
            "text[]" => json!([text]),
            "bytea" => bytes(text.as_bytes()),
            kind => panic!("{}.{}: no value of the type {kind}", self.service, column.name),
        }
    }

    /// A content that mentions the person: a message of an RPC, or the body of an event.
    fn content(&self, column: &str) -> Vec<u8> {
        let Person { spelt, stripe_customer, .. } = self.person;
        if ["request", "response"].contains(&column) {
            let message = SendMessageRequest {
                recipient: spelt.clone(),
                about: self.person.text(),
                ..SendMessageRequest::default()
            };
            return message.encode_to_vec();
        }
        let object =
            json!({"customer": stripe_customer, "customer_email": spelt, "note": self.person.text()});
        json!({"data": {"object": object}}).to_string().into_bytes()
    }

    /// The instant that a word means, or the value itself.
    fn instant(&self, value: Value) -> Value {
        let [now, later, before] = &self.instants;
        match value.as_str() {
            Some("now") => Value::from(now.as_str()),
            Some("later") => Value::from(later.as_str()),
            Some("before") => Value::from(before.as_str()),
            _ => value,
        }
    }

    /// Stores the file that a row names.
    fn store_file(&self, table: &Table, row: &Map<String, Value>) {
        let (Some(path), Some(files)) = (&table.file, self.files) else { return };
        let mut path = path.clone();
        for (column, value) in row {
            path = path.replace(&format!("{{{column}}}"), value.as_str().unwrap_or_default());
        }
        let path = files.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(path, self.person.text()).expect("the file");
    }
}

fn bytes(content: &[u8]) -> Value {
    Value::from(format!("\\x{}", hex::encode(content)))
}
