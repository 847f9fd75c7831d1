//! What messages say: one variant per template, each with data of its own. The fields' names are those that the
//! templates use.

use serde::Serialize;

use super::{money::Amount, person_name::PersonName, reference::OrderId, template::Template, text::Line};

/// A template with its data.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Welcome after a paid "done for you" order.
    OrderWelcome(OrderWelcome),
    /// The request to fill in the intake form of a paid order.
    OrderIntakeRequest(OrderIntakeRequest),
}

impl Content {
    /// Which template.
    #[must_use]
    pub const fn template(&self) -> Template {
        match self {
            Self::OrderWelcome(_) => Template::OrderWelcome,
            Self::OrderIntakeRequest(_) => Template::OrderIntakeRequest,
        }
    }
}

/// Data of `order_welcome`.
#[derive(Serialize)]
pub struct OrderWelcome {
    /// How to greet the customer; none where no name is known.
    pub customer_name: Option<PersonName>,
    /// The order.
    pub order_id: OrderId,
    /// The tier as customers read it: `Starter`.
    pub tier: Line,
    /// What was paid; none where there was nothing to pay.
    pub amount: Option<Amount>,
    /// When the work is due at the latest, counted from the intake form: `48 hours`.
    pub delivery_time: Line,
    /// How many revisions are included.
    pub revisions: u32,
}

/// Data of `order_intake_request`.
#[derive(Serialize)]
pub struct OrderIntakeRequest {
    /// How to greet the customer; none where no name is known.
    pub customer_name: Option<PersonName>,
    /// The order.
    pub order_id: OrderId,
    /// The tier as customers read it: `Starter`.
    pub tier: Line,
}
