//! A fake of billing: its price list, one plan for everybody, and the orders and subscriptions of the customer whose token a call
//! has.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use levqor_proto_base::r#type::v1::Money;
use levqor_proto_billing::v1::{
    AddOnOffer, CheckEntitlementRequest, CheckEntitlementResponse, GetPriceListRequest, GetPriceListResponse,
    GetSubscriptionRequest, GetSubscriptionResponse, Limits, ListOrdersRequest, ListOrdersResponse, Order,
    PlanOffer, Subscription, TierOffer,
    billing_service_server::{BillingService, BillingServiceServer},
    checkout_service_server::{CheckoutService, CheckoutServiceServer},
    order::{FulfilmentState, PaymentState, Tier},
    subscription::{AddOn, Plan, State, Term},
    subscription_service_server::{SubscriptionService, SubscriptionServiceServer},
};
use levqor_runtime::testing;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// The fake, as long as the test runs.
pub(crate) struct FakeBilling {
    pub(crate) address: String,
}

impl FakeBilling {
    /// Starts it.
    pub(crate) async fn start(plan: Plan) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let server = Server::builder()
            .add_service(BillingServiceServer::new(Orders))
            .add_service(CheckoutServiceServer::new(Prices))
            .add_service(SubscriptionServiceServer::new(OnePlan(plan)));
        testing::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address }
    }
}

struct Prices;

fn pounds(pounds: i64) -> Money {
    Money { currency_code: "GBP".to_owned(), minor_units: pounds * 100 }
}

#[tonic::async_trait]
impl CheckoutService for Prices {
    async fn get_price_list(
        &self,
        _: Request<GetPriceListRequest>,
    ) -> Result<Response<GetPriceListResponse>, Status> {
        let plan = |plan: Plan| PlanOffer {
            plan: plan.into(),
            monthly: Some(pounds(79)),
            yearly: Some(pounds(790)),
            limits: Some(Limits {
                workflows_per_month: Some(3),
                runs_per_day: None,
                api_calls_per_day: 10_000,
                triggers_per_month: 10_000,
            }),
            monitoring: "Alerts".to_owned(),
            support: "By mail".to_owned(),
            ..PlanOffer::default()
        };
        let tier = |tier: Tier| TierOffer {
            tier: tier.into(),
            price: Some(pounds(249)),
            workflows: 3,
            tools: Some(6),
            delivery_time: "4 days".to_owned(),
            revisions: 2,
            monitoring: "A dashboard".to_owned(),
            support_days: 30,
            ..TierOffer::default()
        };
        let add_on = |add_on: AddOn| AddOnOffer {
            add_on: add_on.into(),
            name: "An add-on".to_owned(),
            monthly: Some(pounds(99)),
        };
        Ok(Response::new(GetPriceListResponse {
            plans: [Plan::Starter, Plan::Growth, Plan::Pro, Plan::Business].map(plan).into(),
            add_ons: [AddOn::PrioritySupport, AddOn::Sla999, AddOn::WhiteLabel].map(add_on).into(),
            tiers: [Tier::Starter, Tier::Professional, Tier::Enterprise].map(tier).into(),
            terms_version: String::new(),
        }))
    }
}

/// The owner of a call's token. A service's token has no owner.
fn caller<T>(request: &Request<T>) -> Result<String, Status> {
    let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let token =
        header.and_then(|header| header.strip_prefix("Bearer ")).and_then(|token| token.split('.').nth(1));
    let claims = token.and_then(|claims| BASE64_URL_SAFE_NO_PAD.decode(claims).ok());
    let claims = claims.and_then(|claims| serde_json::from_slice::<serde_json::Value>(&claims).ok());
    let sub = claims.and_then(|claims| claims["sub"].as_str().map(str::to_owned));
    sub.filter(|sub| sub != "support").ok_or_else(|| Status::unauthenticated("no token of a person"))
}

/// Whose data a caller gets: staff that of the address which they name, everybody else their own.
fn whose<T>(request: &Request<T>, customer_email: &str) -> Result<String, Status> {
    let caller = caller(request)?;
    let named = customer_email.split('@').next().unwrap_or_default().to_owned();
    Ok(if caller == "staff" { named } else { caller })
}

struct Orders;

#[tonic::async_trait]
impl BillingService for Orders {
    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let order = |tier: Tier, state: FulfilmentState| Order {
            tier: tier.into(),
            payment_state: PaymentState::Paid.into(),
            fulfilment_state: state.into(),
            ..Order::default()
        };
        let orders = match whose(&request, &request.get_ref().customer_email)?.as_str() {
            "ada" => vec![order(Tier::Professional, FulfilmentState::InProgress)],
            "bob" => vec![order(Tier::Enterprise, FulfilmentState::AwaitingIntake)],
            _ => Vec::new(),
        };
        Ok(Response::new(ListOrdersResponse { orders, next_page_token: String::new() }))
    }
}

struct OnePlan(Plan);

#[tonic::async_trait]
impl SubscriptionService for OnePlan {
    async fn check_entitlement(
        &self,
        _: Request<CheckEntitlementRequest>,
    ) -> Result<Response<CheckEntitlementResponse>, Status> {
        Ok(Response::new(CheckEntitlementResponse { entitlement: None, plan: self.0.into() }))
    }

    async fn get_subscription(
        &self,
        request: Request<GetSubscriptionRequest>,
    ) -> Result<Response<GetSubscriptionResponse>, Status> {
        let end = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let (plan, seconds) = match whose(&request, &request.get_ref().customer_email)?.as_str() {
            "ada" => (Plan::Growth, 1_830_297_600),
            "bob" => (Plan::Business, 1_832_889_600),
            _ => return Err(Status::not_found("there is no subscription")),
        };
        let subscription = Subscription {
            state: State::Active.into(),
            plan: plan.into(),
            term: Term::Monthly.into(),
            current_period_end_time: end(seconds),
            ..Subscription::default()
        };
        Ok(Response::new(GetSubscriptionResponse { subscription: Some(subscription) }))
    }
}
