//! Authorization.

use chunker::hashing::HashAlgorithm;
use chunker_store::protocol::{Operation, Refusal, RequestHead};
use std::net::IpAddr;
use subtle::ConstantTimeEq as _;

/// Decides which requests are allowed.
#[derive(Debug)]
pub(crate) struct Access {
    /// The digest of the token, if one is needed: its length does not depend on the token.
    token: Option<[u8; 32]>,
    /// Whether `Host` must be a name of a loopback address.
    loopback: bool,
    read_only: bool,
}

impl Access {
    /// Returns the rules for a server that listens at `address`.
    pub(crate) fn new(token: Option<&str>, address: IpAddr, read_only: bool) -> Self {
        let loopback = token.is_none() && address.is_loopback();
        Self { token: token.map(digest), loopback, read_only }
    }

    /// Checks which server the client means.
    ///
    /// A site can point its own name at this machine. Requests of its pages then count as requests to their own
    /// origin.
    pub(crate) fn check_host(&self, head: &RequestHead) -> Result<(), Refusal> {
        match head.header("host") {
            Some(host) if self.loopback && !is_loopback(host) => Err(Refusal::misdirected()),
            _ => Ok(()),
        }
    }

    /// Checks the client's token.
    pub(crate) fn check_token(&self, head: &RequestHead) -> Result<(), Refusal> {
        let Some(expected) = &self.token else { return Ok(()) };
        let given = head.header("authorization").and_then(|value| value.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match given.map(|(_, token)| digest(token.trim())) {
            Some(given) if bool::from(given.ct_eq(expected)) => Ok(()),
            _ => Err(Refusal::unauthorized("Bearer")),
        }
    }

    /// Checks whether a request is allowed.
    pub(crate) fn check(&self, head: &RequestHead, operation: Operation) -> Result<(), Refusal> {
        self.check_token(head)?;
        if self.read_only && operation.writes() { Err(Refusal::read_only()) } else { Ok(()) }
    }
}

fn digest(token: &str) -> [u8; 32] {
    HashAlgorithm::Sha256.digest(token.as_bytes())
}

/// Returns whether a `Host` is a name of a loopback address, whatever its port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "[::1]:80", "[::1]", "a.localhost:1"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "", ":80"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn whoever_has_the_token_may_ask_and_nobody_else() {
        let access = Access::new(Some("secret"), IpAddr::from([0, 0, 0, 0]), false);
        let check =
            |value: &str| access.check_token(&RequestHead::new("GET", "/", [("Authorization", value)]));
        assert!(check("Bearer secret").is_ok() && check("bearer  secret ").is_ok());
        for value in ["", "Bearer", "Bearer secre", "Bearer secret1", "Basic secret", "secret"] {
            assert!(check(value).is_err(), "{value}");
        }
        assert!(access.check_token(&RequestHead::default()).is_err());
    }
}
