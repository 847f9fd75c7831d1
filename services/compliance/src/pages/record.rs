//! The parts of the record of processing activities, as its page shows them.

use levqor_proto_compliance::v1::{
    ProcessedColumn, ProcessedTable, ProcessingActivity, Recipient, recipient::State,
};
use minijinja::context;

/// An activity, as the page shows it.
pub(super) fn activity(activity: &ProcessingActivity) -> minijinja::Value {
    context! {
        service => &activity.service,
        purpose => &activity.purpose,
        legal_basis => &activity.legal_basis,
        data_subjects => &activity.data_subjects,
        tables => activity.tables.iter().map(table).collect::<minijinja::Value>(),
    }
}

fn table(table: &ProcessedTable) -> minijinja::Value {
    let erasure = match table.erasure.as_str() {
        "DELETE" => "deleted",
        "NULL" => "without their personal data",
        "PSEUDONYMISE" => "pseudonymised",
        _ => "kept",
    };
    context! {
        table => &table.table,
        description => &table.description,
        erasure,
        ground => &table.ground,
        columns => table.columns.iter().map(column).collect::<minijinja::Value>(),
        has_files => table.has_files,
    }
}

fn column(column: &ProcessedColumn) -> minijinja::Value {
    context! {
        column => &column.column,
        category => &column.category,
        keep => period(&column.keep),
        is_kept => column.is_kept,
    }
}

/// A company that receives data, as the page shows it.
pub(super) fn recipient(recipient: &Recipient) -> minijinja::Value {
    context! {
        name => &recipient.name,
        host => &recipient.host,
        is_active => recipient.state() == State::Active,
        purpose => &recipient.purpose,
        categories => recipient.categories.iter().collect::<minijinja::Value>(),
        services => recipient.services.iter().collect::<minijinja::Value>(),
        setting => &recipient.setting,
        transfer => &recipient.transfer,
    }
}

/// A period as tables declare it, in words: `90d` is `90 days`.
fn period(keep: &str) -> String {
    let (count, unit) = match (keep.strip_suffix('d'), keep.strip_suffix('y')) {
        (Some(count), _) => (count, "day"),
        (_, Some(count)) => (count, "year"),
        (None, None) => return keep.to_owned(),
    };
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {unit}{plural}")
}
