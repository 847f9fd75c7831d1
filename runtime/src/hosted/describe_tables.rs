//! Describes the tables with personal data and the companies that may receive it, for compliance's records.

use levqor_proto_runtime::v1::{
    DeclaredColumn, DeclaredRecipient, DeclaredTable, DescribeTablesRequest, DescribeTablesResponse,
};

use super::{Error, Hosted};
use crate::{
    context::Ctx,
    privacy::{Action, Catalogue, Table},
    recipient,
    rpc::State,
    service::Service,
};

pub(super) async fn describe_tables<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    _: DescribeTablesRequest,
) -> Result<DescribeTablesResponse, Error> {
    let mut conn = hosted.chassis().db.acquire().await?;
    let catalogue = Catalogue::read(&mut conn).await?;
    let tables = catalogue.tables.iter().filter(|table| table.columns.iter().any(|it| it.personal.is_some()));
    let recipients = hosted.recipients.iter().cloned().chain(recipient::of_process());
    let recipients = recipients.map(|it| DeclaredRecipient {
        name: it.name.to_owned(),
        purpose: it.purpose.to_owned(),
        categories: it.categories.iter().map(|&category| category.to_owned()).collect(),
        setting: it.setting.to_owned(),
        active: it.is_active,
        host: it.host.unwrap_or_default(),
    });
    Ok(DescribeTablesResponse { tables: tables.map(wire).collect(), recipients: recipients.collect() })
}

fn wire(table: &Table) -> DeclaredTable {
    let declared = &table.declared;
    let columns = table.columns.iter().filter_map(|column| {
        let personal = column.personal.as_ref()?;
        Some(DeclaredColumn {
            column: column.name.clone(),
            category: personal.category.clone(),
            keep: personal.keep.clone(),
            is_kept: personal.is_kept || declared.action == Action::Keep,
        })
    });
    DeclaredTable {
        table: table.title(),
        description: declared.description.clone(),
        action: declared.action.into(),
        ground: declared.ground.clone(),
        columns: columns.collect(),
        has_files: declared.file.is_some(),
    }
}
