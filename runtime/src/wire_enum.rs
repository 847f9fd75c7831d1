//! Domain enums: their database names and their wire values are declared once, beside the variants.

/// The text is not the name of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a value")]
pub struct UnknownName;

/// The number is not a value on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the number of a value")]
pub struct UnknownNumber;

/// A domain enum with the same values as a proto enum. `wire_enum!` implements it.
pub trait WireEnum: Copy + 'static {
    /// All values.
    const VALUES: &'static [Self];

    /// The value with this wire number; none for `UNSPECIFIED`.
    fn from_wire(number: i32) -> Result<Option<Self>, UnknownNumber>;

    /// The wire name, `STATE_LIT`.
    fn wire_name(self) -> &'static str;
}

/// Declares a domain enum with its database names. A colon is followed by the proto enum that has the same variants and
/// `Unspecified`. A variant that exists in only one of the two does not compile.
///
/// The enum gets `ALL`, `as_str`, `FromStr`, `WireEnum`, and `From` into the wire enum and into its number.
///
/// ```ignore
/// wire_enum! {
///     /// The state of a lamp.
///     pub(crate) enum State: wire::lamp::State {
///         /// It gives no light.
///         Dark = "DARK",
///         /// It gives light.
///         Lit = "LIT",
///     }
/// }
/// ```
#[macro_export]
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Enum:ident {
            $($(#[$variant_meta:meta])* $Variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $Enum {
            $($(#[$variant_meta])* $Variant,)+
        }

        impl $Enum {
            /// All values, in the order of declaration.
            $vis const ALL: [Self; [$($name),+].len()] = [$(Self::$Variant),+];

            /// The database name.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = $crate::wire_enum::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $($name => Ok(Self::$Variant),)+
                    _ => Err($crate::wire_enum::UnknownName),
                }
            }
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis enum $Enum:ident: $Wire:path {
            $($(#[$variant_meta:meta])* $Variant:ident = $name:literal,)+
        }
    ) => {
        $crate::wire_enum! {
            $(#[$meta])*
            $vis enum $Enum {
                $($(#[$variant_meta])* $Variant = $name,)+
            }
        }

        impl From<$Enum> for $Wire {
            fn from(value: $Enum) -> Self {
                match value {
                    $($Enum::$Variant => Self::$Variant,)+
                }
            }
        }

        impl From<$Enum> for i32 {
            fn from(value: $Enum) -> Self {
                <$Wire>::from(value).into()
            }
        }

        impl $crate::wire_enum::WireEnum for $Enum {
            const VALUES: &'static [Self] = &Self::ALL;

            fn from_wire(number: i32) -> Result<Option<Self>, $crate::wire_enum::UnknownNumber> {
                match <$Wire>::try_from(number) {
                    Ok(<$Wire>::Unspecified) => Ok(None),
                    $(Ok(<$Wire>::$Variant) => Ok(Some(Self::$Variant)),)+
                    Err(_) => Err($crate::wire_enum::UnknownNumber),
                }
            }

            fn wire_name(self) -> &'static str {
                <$Wire>::from(self).as_str_name()
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use levqor_proto::billing::v1::order;

    use super::*;
    use crate::error::Violations;

    wire_enum! {
        /// The size of an order.
        enum Tier: order::Tier {
            /// Small.
            Starter = "STARTER",
            /// Middle.
            Professional = "PROFESSIONAL",
            /// Large.
            Enterprise = "ENTERPRISE",
        }
    }

    #[test]
    fn every_value_is_read_as_it_is_written_in_the_database_and_on_the_wire() {
        for tier in Tier::ALL {
            assert_eq!(tier.as_str().parse(), Ok(tier));
            assert_eq!(Tier::from_wire(tier.into()), Ok(Some(tier)));
            assert_eq!(order::Tier::from(tier).as_str_name(), tier.wire_name());
        }
        assert_eq!("HUGE".parse::<Tier>(), Err(UnknownName));
    }

    #[test]
    fn a_filter_may_be_unspecified_a_field_may_not_and_an_unknown_value_is_a_violation_that_names_the_values()
    {
        let mut violations = Violations::new();
        assert_eq!(violations.filter_enum("tier", 2), Some(Tier::Professional));
        assert_eq!(violations.filter_enum::<Tier>("tier", 0), None);
        assert_eq!(violations.field_enum("tier", 2), Some(Tier::Professional));
        violations.finish(Some(())).expect("no violation");

        let mut violations = Violations::new();
        assert_eq!(violations.filter_enum::<Tier>("filter", 9), None);
        assert_eq!(violations.field_enum::<Tier>("field", 0), None);
        let invalid = violations.finish(Some(())).expect_err("two violations");
        let expected = "expected one of TIER_STARTER, TIER_PROFESSIONAL, TIER_ENTERPRISE";
        let told: Vec<_> = invalid.0.iter().map(|it| (it.field.as_str(), it.description.as_str())).collect();
        assert_eq!(told, [("filter", expected), ("field", expected)]);
    }
}
