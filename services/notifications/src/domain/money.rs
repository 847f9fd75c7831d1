//! Amounts of money in the form that customers read.

use std::{fmt, str::FromStr};

use levqor_runtime::currency::iso_digits;

/// An ISO 4217 code in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency([u8; 3]);

/// The text is not a currency code.
#[derive(Debug, thiserror::Error)]
#[error("not a currency code")]
pub struct NotACurrency;

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(NotACurrency) }
    }
}

impl Currency {
    /// The symbol of the currency. None if readers could take it for another currency.
    const fn symbol(self) -> Option<&'static str> {
        match &self.0 {
            b"GBP" => Some("£"),
            b"EUR" => Some("€"),
            b"USD" => Some("$"),
            b"JPY" => Some("¥"),
            _ => None,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| fmt::Write::write_char(formatter, char::from(byte)))
    }
}

/// An amount that was paid or is due. It is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// The currency.
    pub currency: Currency,
    /// The amount, in the minor unit of the currency.
    pub minor_units: u64,
}

impl fmt::Display for Amount {
    /// Formats as `£1,234.50`, `¥1,500`, `CHF 99.00`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = iso_digits(&self.currency.0);
        let scale = 10_u64.pow(digits);
        match self.currency.symbol() {
            Some(symbol) => formatter.write_str(symbol)?,
            None => write!(formatter, "{} ", self.currency)?,
        }
        formatter.write_str(&grouped(self.minor_units / scale))?;
        if digits > 0 {
            let width = digits as usize;
            write!(formatter, ".{:0width$}", self.minor_units % scale)?;
        }
        Ok(())
    }
}

/// Writes the number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(currency: &str, minor_units: u64) -> String {
        Amount { currency: currency.parse().expect("a currency"), minor_units }.to_string()
    }

    #[test]
    fn amounts_read_as_customers_know_them() {
        assert_eq!(amount("GBP", 9_900), "£99.00");
        assert_eq!(amount("GBP", 5), "£0.05");
        assert_eq!(amount("EUR", 123_456_789), "€1,234,567.89");
        assert_eq!(amount("USD", 0), "$0.00");
        assert_eq!(amount("CHF", 100_050), "CHF 1,000.50");
    }

    #[test]
    fn not_every_currency_has_two_digits() {
        assert_eq!(amount("JPY", 1_500), "¥1,500");
        assert_eq!(amount("KRW", 99), "KRW 99");
        assert_eq!(amount("ISK", 15_000), "ISK 15,000");
        assert_eq!(amount("UGX", 380_000), "UGX 380,000");
        assert_eq!(amount("KWD", 1_234), "KWD 1.234");
    }

    #[test]
    fn the_largest_amount_is_still_right() {
        assert_eq!(amount("GBP", u64::MAX), "£184,467,440,737,095,516.15");
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        for text in ["", "GB", "gbp", "GBPP", "G1P", "£££"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }
}
