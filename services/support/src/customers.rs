//! What the other services know of a customer, asked with the rights of the member of staff who calls: each service decides, and records
//! the read in its own audit chain.

use std::time::Duration;

use levqor_proto_billing::v1::{
    GetSubscriptionRequest, ListOrdersRequest, Order, Subscription,
    billing_service_client::BillingServiceClient, subscription_service_client::SubscriptionServiceClient,
};
use levqor_proto_notifications::v1::{
    ListMessagesRequest, Message, notifications_service_client::NotificationsServiceClient,
};
use levqor_runtime::{
    client::{Outgoing, Peer},
    context::Ctx,
    email::Email,
};
use secrecy::SecretString;
use tonic::{Code, Status};

use crate::Support;

/// How long to wait for each service.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many rows of each kind are shown.
pub(crate) const MOST: i32 = 20;

/// A customer as staff name them.
pub(crate) enum Customer {
    /// By the id at the identity provider.
    Sub(String),
    /// By the mail address.
    Address(Email),
}

impl Customer {
    /// The id, if staff named it.
    pub(crate) fn sub(&self) -> Option<&str> {
        match self {
            Self::Sub(sub) => Some(sub),
            Self::Address(_) => None,
        }
    }

    /// The address, if staff named it.
    pub(crate) const fn email(&self) -> Option<&Email> {
        match self {
            Self::Sub(_) => None,
            Self::Address(email) => Some(email),
        }
    }
}

/// Asks the other services about a customer.
pub(crate) struct Asking<'a> {
    pub(crate) support: &'a Support,
    pub(crate) ctx: &'a Ctx,
    pub(crate) token: &'a SecretString,
}

impl Asking<'_> {
    /// The latest orders.
    pub(crate) async fn orders(&self, customer: &Customer) -> Result<Vec<Order>, Code> {
        let request = ListOrdersRequest {
            owner_sub: customer.sub().unwrap_or_default().to_owned(),
            customer_email: customer.email().map(Email::as_str).unwrap_or_default().to_owned(),
            page_size: MOST,
            ..ListOrdersRequest::default()
        };
        let mut client = BillingServiceClient::new(self.peer("billing")?);
        let request = self.outgoing().request(request);
        within(client.list_orders(request)).await.map(|listed| listed.orders)
    }

    /// The subscription: the live one, or else the last one.
    pub(crate) async fn subscription(&self, customer: &Customer) -> Result<Option<Subscription>, Code> {
        let request = GetSubscriptionRequest {
            owner_sub: customer.sub().unwrap_or_default().to_owned(),
            customer_email: customer.email().map(Email::as_str).unwrap_or_default().to_owned(),
        };
        let mut client = SubscriptionServiceClient::new(self.peer("billing")?);
        let request = self.outgoing().request(request);
        match within(client.get_subscription(request)).await {
            Ok(found) => Ok(found.subscription),
            Err(Code::NotFound) => Ok(None),
            Err(code) => Err(code),
        }
    }

    /// The latest mails to an address.
    pub(crate) async fn mails(&self, email: &Email) -> Result<Vec<Message>, Code> {
        let request = ListMessagesRequest {
            recipient: email.as_str().to_owned(),
            page_size: MOST,
            ..ListMessagesRequest::default()
        };
        let mut client = NotificationsServiceClient::new(self.peer("notifications")?);
        let request = self.outgoing().request(request);
        within(client.list_messages(request)).await.map(|listed| listed.messages)
    }

    fn peer(&self, service: &str) -> Result<Peer, Code> {
        self.support.chassis.channels.get(service).ok_or(Code::Unavailable)
    }

    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            bearer: Some(self.token),
            request_id: &self.ctx.request_id,
            idempotency_key: None,
            timeout: PATIENCE,
        }
    }
}

/// What a service says, if it says it in time.
async fn within<T>(asked: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Code> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(status.code()),
        Err(_) => Err(Code::DeadlineExceeded),
    }
}
