//! Settings of tests, from the environment.

use std::str::FromStr;

use levqor_runtime::config::Env;

/// The number in an environment variable. `None` if the variable is not set.
pub(crate) fn setting<N: FromStr>(name: &str) -> Option<N> {
    let env = Env::from_process();
    env.get(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a whole number")))
}

/// The number in an environment variable, or `otherwise` if the variable is not set.
pub(crate) fn number<N: FromStr>(name: &str, otherwise: N) -> N {
    setting(name).unwrap_or(otherwise)
}
