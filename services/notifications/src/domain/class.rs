//! The class and the category of a mail: the legal ground to send it, and its subject.

use std::str::FromStr;

use levqor_proto_mail::v1 as mail;
use levqor_runtime::wire_enum;

wire_enum! {
    /// Why a mail may be sent.
    pub enum Class: mail::Class {
        /// The recipient does business with us, and the mail belongs to that business.
        Transactional = "TRANSACTIONAL",
        /// The recipient agreed to advertising.
        Marketing = "MARKETING",
        /// The recipient works for us.
        Operator = "OPERATOR",
    }
}

/// The class of a template. One that is not set counts as marketing, which needs most.
impl From<mail::Class> for Class {
    fn from(class: mail::Class) -> Self {
        match class {
            mail::Class::Transactional => Self::Transactional,
            mail::Class::Operator => Self::Operator,
            mail::Class::Marketing | mail::Class::Unspecified => Self::Marketing,
        }
    }
}

/// The subject of a mail, as the protos name it. Marketing needs a permission for its category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Category(mail::Category);

const PREFIX: &str = "CATEGORY_";

/// The text is not the name of a category.
#[derive(Debug, thiserror::Error)]
#[error("not the name of a category")]
pub struct NotACategory;

/// The category of a template.
impl From<mail::Category> for Category {
    fn from(category: mail::Category) -> Self {
        Self(category)
    }
}

impl Category {
    /// The database name, such as `ORDERS`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let name = self.0.as_str_name();
        name.strip_prefix(PREFIX).unwrap_or(name)
    }
}

impl FromStr for Category {
    type Err = NotACategory;

    fn from_str(text: &str) -> Result<Self, NotACategory> {
        let category = mail::Category::from_str_name(&format!("{PREFIX}{text}"));
        let category = category.filter(|category| *category != mail::Category::Unspecified);
        category.map(Self).ok_or(NotACategory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_has_the_name_that_the_protos_give_it() {
        let orders = Category::from(mail::Category::Orders);
        assert_eq!(orders.as_str(), "ORDERS");
        assert_eq!("ORDERS".parse::<Category>().ok(), Some(orders));
        for text in ["", "UNSPECIFIED", "CATEGORY_ORDERS", "orders"] {
            assert!(text.parse::<Category>().is_err(), "{text}");
        }
    }
}
