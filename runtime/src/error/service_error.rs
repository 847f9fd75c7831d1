//! Declares error enums: each variant names its code and its reason, or takes both from its source.

/// Declares a thiserror enum and implements `ServiceError` for it. Each variant is followed by one of:
///
/// - `=> source`: code, reason, violations and retry time come from the variant's source;
/// - `=> NotFound "FILE_NOT_FOUND"`: this code and this reason;
/// - `=> Unavailable "BUSY" after 1 s`: the caller may retry after this many seconds;
/// - `=> Unavailable "BUSY" after |left| Some(*left)`: the variant's content gives the retry time;
/// - `=> InvalidArgument "KEY_INVALID" + source`: violations and retry time come from the source.
#[macro_export]
macro_rules! service_error {
    (
        $(#[$($meta:tt)*])*
        $vis:vis enum $Error:ident {
            $(
                $(#[$($variant_meta:tt)*])*
                $Variant:ident
                $(($($source:tt)*))?
                $({ $($(#[$($field_meta:tt)*])* $field:ident: $Field:ty,)+ })?
                => $how:ident $($reason:literal)? $(+ $plus:ident)?
                $(after $seconds:literal s)? $(after |$content:ident| $wait:expr)?,
            )+
        }
    ) => {
        $(#[$($meta)*])*
        $vis enum $Error {
            $(
                $(#[$($variant_meta)*])*
                $Variant $(($($source)*))? $({ $($(#[$($field_meta)*])* $field: $Field,)+ })?,
            )+
        }

        impl $crate::error::ServiceError for $Error {
            fn code(&self) -> $crate::error::ErrorCode {
                match self {
                    $(
                        Self::$Variant $(($crate::service_error!(@bind source $($source)*)))? $({ $($field: _,)+ })? =>
                            $crate::service_error!(@code $how $(source ($($source)*))?),
                    )+
                }
            }

            fn reason(&self) -> &'static str {
                match self {
                    $(
                        Self::$Variant $(($crate::service_error!(@bind source $($source)*)))? $({ $($field: _,)+ })? =>
                            $crate::service_error!(@reason $how $($reason)? $(source ($($source)*))?),
                    )+
                }
            }

            fn violations(&self) -> &[$crate::error::Violation] {
                match self {
                    $(
                        Self::$Variant $(($crate::service_error!(@bind source $($source)*)))? $({ $($field: _,)+ })? =>
                            $crate::service_error!(@violations $how $(+ $plus)? $(source ($($source)*))?),
                    )+
                }
            }

            fn retry_after(&self) -> Option<std::time::Duration> {
                match self {
                    $(
                        Self::$Variant $(($crate::service_error!(@bind source $($source)*)))? $({ $($field: _,)+ })? =>
                            $crate::service_error!(
                                @retry $how $(+ $plus)? $(after $seconds)? $(after |$content| $wait;)? $(source ($($source)*))?
                            ),
                    )+
                }
            }
        }
    };
    (@bind $source:ident $($ignored:tt)*) => { $source };

    (@code source $source:ident ($($ignored:tt)*)) => { $crate::error::ServiceError::code($source) };
    (@code $Code:ident $($source:ident ($($ignored:tt)*))?) => {{ $(let _ = $source;)? $crate::error::ErrorCode::$Code }};

    (@reason source $source:ident ($($ignored:tt)*)) => { $crate::error::ServiceError::reason($source) };
    (@reason $Code:ident $reason:literal $($source:ident ($($ignored:tt)*))?) => {{ $(let _ = $source;)? $reason }};

    (@violations source $source:ident ($($ignored:tt)*)) => { $crate::error::ServiceError::violations($source) };
    (@violations $Code:ident + source $source:ident ($($ignored:tt)*)) => { $crate::error::ServiceError::violations($source) };
    (@violations $Code:ident $($source:ident ($($ignored:tt)*))?) => {{ $(let _ = $source;)? &[] }};

    (@retry source $source:ident ($($ignored:tt)*)) => { $crate::error::ServiceError::retry_after($source) };
    (@retry $Code:ident + source $source:ident ($($ignored:tt)*)) => { $crate::error::ServiceError::retry_after($source) };
    (@retry $Code:ident after |$content:ident| $wait:expr; $source:ident ($($ignored:tt)*)) => {{ let $content = $source; $wait }};
    (@retry $Code:ident after $seconds:literal $($source:ident ($($ignored:tt)*))?) => {{
        $(let _ = $source;)?
        Some(std::time::Duration::from_secs($seconds))
    }};
    (@retry $Code:ident $($source:ident ($($ignored:tt)*))?) => {{ $(let _ = $source;)? None }};
}
