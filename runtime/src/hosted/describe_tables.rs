//! Describes the tables with personal data, for compliance's records.

use levqor_proto_runtime::v1::{
    DeclaredColumn, DeclaredTable, DescribeTablesRequest, DescribeTablesResponse, erasure_plan,
};

use super::{Error, Hosted};
use crate::{
    context::Ctx,
    privacy::{Action, Catalogue, Table},
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
    Ok(DescribeTablesResponse { tables: tables.map(wire).collect() })
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
        action: erasure_plan::Action::from(declared.action).into(),
        ground: declared.ground.clone(),
        columns: columns.collect(),
        has_files: declared.file.is_some(),
    }
}
