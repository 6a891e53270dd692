//! Tells how near to this machine an address is. That decides which servers may redirect readers there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The nearness of an address to this machine. Later variants are nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// An address of the internet.
    Public,
    /// An address of a private network (RFC 1918, RFC 4193, RFC 6598), or one that is reserved.
    Private,
    /// An address on the same link, where clouds have their metadata service, or an address of a group of hosts.
    Link,
    /// This machine itself.
    Machine,
}

impl Reach {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => embedded(address).map_or_else(|| of_v6(address), of_v4),
        }
    }

    /// The words for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Private => "an address of a private network",
            Self::Link => "a link-local address",
            Self::Machine => "an address of this machine",
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [0 | 127, ..] => Reach::Machine,
        [169, 254, ..] | [224..=239, ..] | [255, 255, 255, 255] => Reach::Link,
        // These are carriers' networks (RFC 6598), protocol assignments, benchmarks (RFC 2544) and reserved
        // addresses.
        [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] | [240..=255, ..] => Reach::Private,
        _ if address.is_private() => Reach::Private,
        _ => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Reach::Machine,
        [0xfe80..=0xfebf, ..] | [0xff00..=0xffff, ..] => Reach::Link,
        // These are unique local and site-local addresses, a translator's own prefix (RFC 8215), and Teredo.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => Reach::Private,
        _ => Reach::Public,
    }
}

/// The IPv4 address to which packets for an IPv6 address are translated or tunnelled.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // These are compatible, mapped and translated addresses (RFC 4291, RFC 2765, RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // These are addresses of 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_reach() {
        let of_all = |reach: Reach, addresses: &[&str]| {
            for address in addresses {
                assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
            }
        };
        let machine = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::", "::1", "::ffff:127.0.0.1", "::7f00:1"];
        of_all(Reach::Machine, &machine);
        of_all(Reach::Machine, &["64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:0:7f00:1"]);
        let link = ["169.254.169.254", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "::ffff:169.254.0.1"];
        of_all(Reach::Link, &link);
        let private = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"];
        of_all(Reach::Private, &private);
        of_all(Reach::Private, &["198.19.0.1", "240.0.0.1", "fc00::1", "fdff::1", "fec0::1", "::ffff:10.0.0.1"]);
        let public = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2606:4700::1111", "::ffff:8.8.8.8"];
        of_all(Reach::Public, &public);
    }
}
