//! A datagram as it might come from the kernel's sock_diag. A socket that is found is the one that
//! was asked for, and its user and inode stand in the datagram.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use pald::probe::sys::linux::sock_diag::read_answer;

const SEQUENCE: u32 = 1;
/// A whole answer about 127.0.0.1:49200 and 127.0.0.1:49201, which inputs change: the header of
/// netlink and that of sock_diag.
const ANSWER: [u8; 88] = {
    let mut bytes = [0; 88];
    bytes[0] = 88;
    bytes[4] = 20;
    bytes[8] = 1;
    bytes[16] = 2;
    bytes[17] = 1;
    [bytes[20], bytes[21], bytes[22], bytes[23]] = [0xc0, 0x30, 0xc0, 0x31];
    [bytes[24], bytes[27], bytes[40], bytes[43]] = [127, 1, 127, 1];
    bytes[80] = 7;
    bytes[84] = 9;
    bytes
};

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let (local, peer) = addresses(choice & 1 == 0);
    let message = if choice & 2 == 0 { input.to_vec() } else { changed(input) };
    let Ok(Some(Some(found))) = read_answer(&message, SEQUENCE, local, peer) else { return };
    assert_eq!(message[8..12], SEQUENCE.to_ne_bytes());
    assert_eq!(message[20..22], local.port().to_be_bytes());
    assert_eq!(message[22..24], peer.port().to_be_bytes());
    for (at, address) in [(24, local), (40, peer)] {
        match address.ip() {
            // The family may also be IPv6, with a mapped address.
            IpAddr::V4(ip) if message[16] == 2 => assert_eq!(message[at..at + 4], ip.octets()),
            IpAddr::V4(ip) => assert_eq!(message[at..at + 16], ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => assert_eq!(message[at..at + 16], ip.octets()),
        }
    }
    assert_eq!(message[80..84], found.uid.to_ne_bytes());
    assert_eq!(u64::from(u32::from_ne_bytes(message[84..88].try_into().unwrap())), found.inode);
    assert!(found.owner().is_none_or(|owner| owner == found.uid && found.inode != 0));
});

fn addresses(is_v4: bool) -> (SocketAddr, SocketAddr) {
    let ip: IpAddr = if is_v4 { [127, 0, 0, 1].into() } else { "::1".parse().unwrap() };
    (SocketAddr::new(ip, 0xc030), SocketAddr::new(ip, 0xc031))
}

/// The whole answer with some of its bytes replaced: the input is pairs of place and byte, and what
/// it says of places behind the end is its new length.
fn changed(input: &[u8]) -> Vec<u8> {
    let mut message = ANSWER.to_vec();
    for pair in input.chunks_exact(2) {
        match message.get_mut(usize::from(pair[0])) {
            Some(byte) => *byte = pair[1],
            None => message.resize(usize::from(pair[1]), 0),
        }
    }
    message
}
