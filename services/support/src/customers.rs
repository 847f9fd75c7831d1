//! The other services' data about a customer, read with the rights of the member of staff who calls: each service decides, and records
//! the read in its own audit chain.

use std::time::Duration;

use levqor_proto_billing::v1::{
    GetSubscriptionRequest, ListOrdersRequest, Order, Subscription,
    billing_service_client::BillingServiceClient, subscription_service_client::SubscriptionServiceClient,
};
use levqor_proto_notifications::v1::{
    ListMessagesRequest, Message, notifications_service_client::NotificationsServiceClient,
};
use levqor_runtime::{chassis::Unanswered, client::Peer, context::Ctx, email::Email};
use secrecy::SecretString;
use tonic::{Code, Request, Response, Status};

use crate::Support;

/// How long to wait for each service.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How many rows of each kind are shown.
pub(crate) const MAX: i32 = 20;

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
            page_size: MAX,
            ..ListOrdersRequest::default()
        };
        let listed = self.ask("billing", request, async |channel, request| {
            BillingServiceClient::new(channel).list_orders(request).await
        });
        listed.await.map(|listed| listed.orders)
    }

    /// The subscription: the live one, or else the last one.
    pub(crate) async fn subscription(&self, customer: &Customer) -> Result<Option<Subscription>, Code> {
        let request = GetSubscriptionRequest {
            owner_sub: customer.sub().unwrap_or_default().to_owned(),
            customer_email: customer.email().map(Email::as_str).unwrap_or_default().to_owned(),
        };
        let found = self.ask("billing", request, async |channel, request| {
            SubscriptionServiceClient::new(channel).get_subscription(request).await
        });
        match found.await {
            Ok(found) => Ok(found.subscription),
            Err(Code::NotFound) => Ok(None),
            Err(code) => Err(code),
        }
    }

    /// The latest mails to an address.
    pub(crate) async fn mails(&self, email: &Email) -> Result<Vec<Message>, Code> {
        let request = ListMessagesRequest {
            recipient: email.as_str().to_owned(),
            page_size: MAX,
            ..ListMessagesRequest::default()
        };
        let listed = self.ask("notifications", request, async |channel, request| {
            NotificationsServiceClient::new(channel).list_messages(request).await
        });
        listed.await.map(|listed| listed.messages)
    }

    async fn ask<R, T, F>(
        &self,
        service: &str,
        request: R,
        call: impl FnOnce(Peer, Request<R>) -> F,
    ) -> Result<T, Code>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let (chassis, request_id) = (&self.support.chassis, &self.ctx.request_id);
        let answer = chassis.ask_as(self.token, service, request_id, TIMEOUT, request, call).await;
        answer.map_err(Unanswered::code)
    }
}
