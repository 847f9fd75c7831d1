//! The declarations in the comments of tables and columns: the owners of the rows, what an erasure does, and how long values are kept.
//!
//! A table: `Words. subject: LINK, LINK; erase: ACTION; once: CONDITION; end: ASSIGNMENTS; set: ASSIGNMENTS; file: PATH; ground:
//! WORDS; clock: COLUMN`. A column: `not personal`, or `personal: CATEGORY; keep: 90d`, or the same with `; erase: keep` or `;
//! rectify: yes`. `keep: until erasure` means that no period ends it. A reason may follow in brackets.

use levqor_proto_runtime::v1::erasure_plan;

use crate::wire_enum;

/// The period of a value that only an erasure removes.
const UNTIL_ERASURE: &str = "until erasure";

/// The word of a link to a vendor's id. Migrations and the hashes of the ledger contain it, so it never changes.
pub(crate) const VENDOR_LINK: &str = "stripe";

/// How a row names its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// `sub COLUMN`: it holds the identity provider's id of the owner.
    Sub(String),
    /// `email COLUMN`: it holds the owner's address. In a table with `sub`, it counts only while no person has claimed the row.
    Email(String),
    /// `account COLUMN`: it holds an address that the owner has proven, so it always counts.
    Account(String),
    /// `VENDOR_LINK COLUMN`: it holds the owner's id at the vendor, under the same rule as `email`.
    Vendor(String),
    /// `hash COLUMN`: it holds the keyed hash of the owner's address.
    Hash(String),
    /// `caller COLUMN`: it holds the owner's name as a caller.
    Caller(String),
    /// `text COLUMN`: the row is the owner's if this content mentions them.
    Text(String),
    /// `COLUMN of TABLE.KEY`: the row belongs to the row of another table.
    Of {
        /// The column of this table.
        column: String,
        /// The other table.
        table: String,
        /// Its column.
        key: String,
    },
}

wire_enum! {
    /// What an erasure does to the rows of a table. The names are those in the comments of tables.
    pub enum Action: erasure_plan::Action {
        /// Deletes them.
        Delete = "delete",
        /// Sets their personal columns to null.
        Null = "null",
        /// Sets their personal columns to null. A column that cannot be null gets a value that is the same for everybody.
        Pseudonymise = "pseudonymise",
        /// Does not change them.
        Keep = "keep",
    }
}

/// The declarations of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableDeclaration {
    pub(crate) description: String,
    pub(crate) links: Vec<Link>,
    pub(crate) action: Action,
    /// The erasure of a row waits until this SQL condition holds.
    pub(crate) once: Option<String>,
    /// Further SQL assignments of an erasure that does not wait. They make `once` true.
    pub(crate) end: Option<String>,
    /// Further SQL assignments.
    pub(crate) set: Option<String>,
    /// The key of the file of a row, with columns in braces.
    pub(crate) file: Option<String>,
    pub(crate) ground: String,
    /// The column from which the retention periods count.
    pub(crate) clock: Option<String>,
}

/// The declarations of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PersonalColumn {
    pub(crate) category: String,
    /// Such as `90d` or `7y`, or `until erasure`.
    pub(crate) keep: String,
    /// Whether an erasure leaves the value.
    pub(crate) is_kept: bool,
    /// Whether a correction changes the value. It always changes names.
    pub(crate) is_rectified: bool,
}

impl PersonalColumn {
    /// The retention period in days. `None`: only an erasure ends it.
    pub(crate) fn keep_days(&self) -> Option<i32> {
        let unit = self.keep.chars().last()?;
        let count: i32 = self.keep.strip_suffix(unit)?.parse().ok()?;
        match unit {
            'd' => Some(count),
            'y' => count.checked_mul(365),
            _ => None,
        }
    }
}

/// Reads the comment of a table. `Ok(None)`: it declares nothing.
pub(crate) fn table(comment: &str) -> Result<Option<TableDeclaration>, String> {
    let comment = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((description, declared)) = comment.split_once("subject: ") else { return Ok(None) };
    let mut parts = declared.split("; ");
    let links = parts.next().unwrap_or_default().split(", ").map(link).collect::<Result<Vec<_>, _>>()?;
    let mut table = TableDeclaration {
        description: description.trim().to_owned(),
        links,
        action: Action::Keep,
        once: None,
        end: None,
        set: None,
        file: None,
        ground: String::new(),
        clock: None,
    };
    let mut erase = None;
    for part in parts {
        let (name, value) = part.split_once(": ").ok_or_else(|| format!("{part:?} has no value"))?;
        let value = value.to_owned();
        match name {
            "erase" => {
                let action = value.parse::<Action>();
                erase = Some(action.map_err(|_| format!("{value:?} is not an action"))?);
            }
            "once" => table.once = Some(value),
            "end" => table.end = Some(value),
            "set" => table.set = Some(value),
            "file" => table.file = Some(value),
            "ground" => table.ground = value,
            "clock" => table.clock = Some(value),
            _ => return Err(format!("{name:?} is not known")),
        }
    }
    table.action = erase.ok_or("it does not say what an erasure does")?;
    if table.action == Action::Keep && table.ground.is_empty() {
        return Err("it keeps rows without a ground".to_owned());
    }
    Ok(Some(table))
}

fn link(text: &str) -> Result<Link, String> {
    let owned = str::to_owned;
    match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["sub", column] => Ok(Link::Sub(owned(column))),
        ["email", column] => Ok(Link::Email(owned(column))),
        ["account", column] => Ok(Link::Account(owned(column))),
        [VENDOR_LINK, column] => Ok(Link::Vendor(owned(column))),
        ["hash", column] => Ok(Link::Hash(owned(column))),
        ["caller", column] => Ok(Link::Caller(owned(column))),
        ["text", column] => Ok(Link::Text(owned(column))),
        [column, "of", other] => match other.split_once('.') {
            Some((table, key)) => {
                Ok(Link::Of { column: owned(column), table: owned(table), key: owned(key) })
            }
            None => Err(format!("{other:?} names no column")),
        },
        _ => Err(format!("{text:?} is not a link")),
    }
}

/// Reads the comment of a column. `Ok(None)`: it is not personal.
pub(crate) fn column(comment: &str) -> Result<Option<PersonalColumn>, String> {
    let comment = comment.split(" (").next().unwrap_or_default();
    if comment == "not personal" {
        return Ok(None);
    }
    let wrong = || format!("{comment:?} is not a classification");
    let mut parts = comment.split("; ");
    let category = parts.next().and_then(|part| part.strip_prefix("personal: ")).ok_or_else(wrong)?;
    let keep = parts.next().and_then(|part| part.strip_prefix("keep: ")).ok_or_else(wrong)?;
    let (mut is_kept, mut is_rectified) = (false, category == "NAME");
    for part in parts {
        match part {
            "erase: keep" => is_kept = true,
            "rectify: yes" => is_rectified = true,
            _ => return Err(wrong()),
        }
    }
    let column =
        PersonalColumn { category: category.to_owned(), keep: keep.to_owned(), is_kept, is_rectified };
    let known = ["EMAIL", "NAME", "IP", "MESSAGE", "PAYMENT", "IDENTIFIER"].contains(&category);
    let is_period = keep == UNTIL_ERASURE || column.keep_days().is_some();
    if known && is_period { Ok(Some(column)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_declares_the_owners_of_its_rows_and_what_an_erasure_does() {
        let text = "Lamps; and more. subject: sub owner_sub, email owner_email,\n   lamp_id of lamps.lamp_id; \
                    erase: pseudonymise; once: state <> 'OPEN'; end: state = 'DONE'; file: a/{b}; ground: the law; clock: create_time";
        let table = table(text).expect("a declaration").expect("declared");
        assert_eq!(table.description, "Lamps; and more.");
        let of = Link::Of { column: "lamp_id".into(), table: "lamps".into(), key: "lamp_id".into() };
        assert_eq!(table.links, [Link::Sub("owner_sub".into()), Link::Email("owner_email".into()), of]);
        assert_eq!((table.action, table.ground.as_str()), (Action::Pseudonymise, "the law"));
        assert_eq!((table.once.as_deref(), table.file.as_deref()), (Some("state <> 'OPEN'"), Some("a/{b}")));
        assert_eq!(table.end.as_deref(), Some("state = 'DONE'"));
    }

    #[test]
    fn a_mistake_in_a_declaration_is_named() {
        for (text, expected) in [
            ("subject: sub a", "what an erasure does"),
            ("subject: sub; erase: delete", "is not a link"),
            ("subject: a of b; erase: delete", "names no column"),
            ("subject: sub a; erase: burn", "is not an action"),
            ("subject: sub a; erase: keep", "without a ground"),
            ("subject: sub a; erase: delete; colour: red", "is not known"),
        ] {
            let error = table(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(table("Only words."), Ok(None));
    }

    #[test]
    fn a_column_declares_whether_it_is_personal_and_how_long_it_is_kept() {
        let kept = column("personal: PAYMENT; keep: 7y; erase: keep").expect("read").expect("personal");
        assert_eq!((kept.keep_days(), kept.is_kept), (Some(2_555), true));
        assert_eq!(column("not personal (a hash)"), Ok(None));
        let plain = column("personal: EMAIL; keep: 90d (of the sender)").expect("read").expect("personal");
        assert_eq!((plain.keep_days(), plain.is_kept, plain.is_rectified), (Some(90), false, false));
        let endless = column("personal: EMAIL; keep: until erasure").expect("read").expect("personal");
        assert_eq!((endless.keep_days(), endless.is_kept), (None, false));
        assert!(column("personal: EMAIL; keep: until then").is_err());
        for rectified in ["personal: NAME; keep: 1y", "personal: EMAIL; keep: 1y; rectify: yes"] {
            assert!(column(rectified).expect("read").expect("personal").is_rectified, "{rectified}");
        }
        for wrong in
            ["", "personal", "personal: EMAIL", "personal: SHOE; keep: 1d", "personal: EMAIL; keep: 1w"]
        {
            assert!(column(wrong).is_err(), "{wrong}");
        }
    }
}
