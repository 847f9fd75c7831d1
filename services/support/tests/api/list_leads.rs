//! `ListLeads`: staff list leads, and can filter them by form.

use levqor_proto_support::v1::{ListLeadsRequest, lead::Kind};
use levqor_runtime::testing::Caller;

use super::get_form_token::sales;
use crate::bench::Bench;

#[tokio::test]
async fn leads_are_listed_by_form() {
    let bench = Bench::start().await;
    let token = bench.form_token().await;
    bench.leads().create_sales_lead(Caller::anonymous().request(sales(&token))).await.expect("taken");
    for (kind, count) in [(Kind::Unspecified, 1), (Kind::Sales, 1), (Kind::Guide, 0)] {
        let request = ListLeadsRequest { kind: kind.into(), ..Default::default() };
        let list = bench.leads().list_leads(Caller::staff().request(request)).await.expect("a list");
        assert_eq!(list.into_inner().leads.len(), count, "{kind:?}");
    }
}
