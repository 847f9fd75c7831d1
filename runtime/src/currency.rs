//! The digits of currencies' minor units, for every service that reads or writes amounts.

/// How many digits the minor unit of a currency has (ISO 4217, table A.1). `code` is ISO's code in upper case.
#[must_use]
pub const fn iso_digits(code: &[u8]) -> u32 {
    match code {
        b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
        | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
        b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
        b"CLF" | b"UYW" => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_without_an_exception_have_two_digits() {
        for (code, digits) in [("GBP", 2), ("HUF", 2), ("MGA", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)] {
            assert_eq!(iso_digits(code.as_bytes()), digits, "{code}");
        }
    }
}
