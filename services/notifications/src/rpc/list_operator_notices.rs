//! `ListOperatorNotices`: shows staff the notices to operators, and how often each fact happened, newest first.

use levqor_proto_notifications::v1::{self as wire, ListOperatorNoticesRequest, ListOperatorNoticesResponse};
use levqor_runtime::{
    context::Ctx,
    db::{ListTx, Listed, Page},
    error::{Invalid, Violations},
    rpc::list,
    timestamp,
};

use crate::{
    Notifications,
    domain::{
        operator_delivery::OperatorDelivery,
        operator_notice::{Channel, NoticeId, NoticeState},
    },
    error::Error,
    store::{
        operator_deliveries,
        operator_notices::{self, Filter, Notice},
    },
};

pub(super) async fn list_operator_notices(
    notifications: &Notifications,
    ctx: Ctx,
    request: ListOperatorNoticesRequest,
) -> Result<ListOperatorNoticesResponse, Error> {
    let store = async |tx: &mut ListTx, filter: &Filter, page: &Page| {
        let notices = operator_notices::list(tx, filter, page).await?;
        let ids: Vec<_> = notices.iter().map(|notice| notice.place.1).collect();
        let deliveries = operator_deliveries::of_notices(tx, &ids).await?;
        let shown = |Listed { place, row }: Listed<Notice>| {
            let of = |id: NoticeId| deliveries.iter().filter(move |(of, _, _)| *of == id);
            let row = row.map(|notice| {
                let deliveries =
                    of(notice.id).map(|(_, channel, delivery)| show(*channel, delivery)).collect();
                wire::OperatorNotice { deliveries, ..notice.into() }
            });
            Listed { place, row }
        };
        Ok(notices.into_iter().map(shown).collect())
    };
    list(notifications, &ctx, &request, store, |operator_notices, next_page_token| {
        ListOperatorNoticesResponse { operator_notices, next_page_token }
    })
    .await
}

fn show(channel: Channel, delivery: &OperatorDelivery) -> wire::OperatorDelivery {
    wire::OperatorDelivery {
        channel: channel.into(),
        state: delivery.state.into(),
        receipt: delivery.receipt.clone().unwrap_or_default(),
        failure: delivery.failure.clone().unwrap_or_default(),
    }
}

impl From<Notice> for wire::OperatorNotice {
    fn from(notice: Notice) -> Self {
        let state = if notice.end_time.is_some() { NoticeState::Ended } else { NoticeState::Open };
        Self {
            operator_notice_id: notice.id.to_string(),
            kind: notice.kind.as_str().to_owned(),
            severity: notice.severity.as_str().to_owned(),
            about: notice.about,
            text: notice.text,
            link: notice.link,
            source: notice.source,
            state: state.into(),
            times: notice.times,
            create_time: Some(timestamp(notice.create_time)),
            last_report_time: Some(timestamp(notice.last_report_time)),
            end_time: notice.end_time.map(timestamp),
            deliveries: Vec::new(),
        }
    }
}

impl TryFrom<&ListOperatorNoticesRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListOperatorNoticesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self { state: violations.filter_enum("state", request.state) };
        violations.finish(Some(filter))
    }
}
