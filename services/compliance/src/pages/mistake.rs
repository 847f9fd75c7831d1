//! The mistakes in a form, in the words of the page that shows the form again.

use levqor_runtime::error::ErrorCode;

use crate::error::Error;

/// The mistakes in a form, which the visitor gets again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// These fields of a form for a request are not valid.
    Fields(Vec<String>),
    /// The text is not a code.
    NotACode,
    /// The code is not valid.
    CodeRefused,
}

impl Mistake {
    /// The mistake in a form for a code that led to this error. Other errors are shown on a page of their own.
    pub(crate) fn of_code(error: Error) -> Result<Self, Error> {
        match error {
            Error::Invalid(_) => Ok(Self::NotACode),
            Error::CodeInvalid => Ok(Self::CodeRefused),
            error => Err(error),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Fields(fields) => {
                let mut needed: Vec<_> = fields.iter().map(|field| needed(field)).collect();
                needed.dedup();
                format!("This did not work. {}", needed.join(" "))
            }
            Self::NotACode => "This is no code. Please enter the six digits of the mail.".to_owned(),
            Self::CodeRefused => {
                "This code is not valid. Please compare it with the mail. A code is valid for 10 minutes, for 5 tries, and once."
                    .to_owned()
            }
        }
    }

    /// The status that the same mistake has in the API.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Fields(_) | Self::NotACode => ErrorCode::InvalidArgument.http_status(),
            Self::CodeRefused => ErrorCode::PermissionDenied.http_status(),
        }
    }
}

/// The correction that the visitor has to make to a field.
fn needed(field: &str) -> &'static str {
    match field {
        "email" => "Please enter your mail address, such as ada@example.com.",
        "objection_scope" => "Please choose what you object to.",
        "withdrawn" => "Please choose the mails that you no longer agree to.",
        _ => "Please choose what you want.",
    }
}
