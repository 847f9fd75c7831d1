//! Gets the record of processing activities: the declarations of the tables of all services, with the purposes, and the companies that
//! receive data as the settings of each service turn them on.

use levqor_proto_compliance::v1::{
    GetProcessingRecordRequest, GetProcessingRecordResponse, ProcessedColumn, ProcessedTable,
    ProcessingActivity,
};
use levqor_proto_runtime::v1::{DeclaredColumn, DeclaredTable, DescribeTablesResponse};
use levqor_runtime::{context::Ctx, db, timestamp};

use crate::{
    Compliance,
    domain::{
        erasure,
        record::{PURPOSES, SECURITY_MEASURES, add_recipients, sort_recipients},
    },
    error::Error,
    peers::Peers,
};

pub(super) async fn get_processing_record(
    compliance: &Compliance,
    ctx: Ctx,
    _: GetProcessingRecordRequest,
) -> Result<GetProcessingRecordResponse, Error> {
    let now = db::now(&mut *compliance.chassis.db.acquire().await?).await?;
    let peers = Peers::new(&compliance.chassis, &ctx.request_id);
    let mut record = GetProcessingRecordResponse {
        make_time: Some(timestamp(now)),
        controller: compliance.config.company.clone(),
        security_measures: SECURITY_MEASURES.iter().copied().map(str::to_owned).collect(),
        ..Default::default()
    };
    for purpose in PURPOSES {
        let described = match peers.describe(purpose.service).await {
            Ok(described) => described,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a service did not describe its tables");
                record.unanswered.push(purpose.service.to_owned());
                DescribeTablesResponse::default()
            }
        };
        add_recipients(&mut record.recipients, purpose.service, described.recipients);
        record.activities.push(ProcessingActivity {
            service: purpose.service.to_owned(),
            purpose: purpose.aim.to_owned(),
            legal_basis: purpose.legal_basis.to_owned(),
            data_subjects: purpose.data_subjects.to_owned(),
            tables: described.tables.into_iter().map(table).collect(),
        });
    }
    sort_recipients(&mut record.recipients);
    Ok(record)
}

fn table(declared: DeclaredTable) -> ProcessedTable {
    ProcessedTable {
        erasure: erasure::name(declared.action()).to_owned(),
        table: declared.table,
        description: declared.description,
        ground: declared.ground,
        columns: declared.columns.into_iter().map(column).collect(),
        has_files: declared.has_files,
    }
}

fn column(declared: DeclaredColumn) -> ProcessedColumn {
    let DeclaredColumn { column, category, keep, is_kept } = declared;
    ProcessedColumn { column, category, keep, is_kept }
}
