//! The slots of a Cluster: the slot of a key, and which node has which slots.

use redis::{ErrorKind, RedisError, RedisResult, Value, from_redis_value};

use super::address::Address;

/// How many slots a Cluster has.
pub(super) const SLOTS: usize = 16_384;

/// Neighbouring slots that one master has.
#[derive(Debug, PartialEq)]
pub(super) struct SlotRange {
    pub(super) first: usize,
    pub(super) last: usize,
    /// There is none where the answering node does not know its host.
    pub(super) master: Option<Address>,
}

/// Returns the slot of a key.
pub(super) fn slot_of(key: &str) -> usize {
    let tag = hash_tag(key).unwrap_or(key);
    usize::from(crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes())) % SLOTS
}

/// Returns what stands between the first `{` and the next `}`, unless that is nothing.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// Reads the answer to `CLUSTER SLOTS` of the node that was reached by this host. A node that knows
/// no slots is an error, as it has left the Cluster or has not joined it yet.
pub(super) fn read_slots(answer: Value, answering: &str) -> RedisResult<Vec<SlotRange>> {
    let Value::Array(ranges) = answer else {
        return Err(malformed());
    };
    if ranges.is_empty() {
        return Err(RedisError::from((
            ErrorKind::ClusterConnectionNotFound,
            "the server knows no slots of a Cluster",
        )));
    }
    let ranges = ranges.into_iter();
    ranges.map(|range| read_range(range, answering)).collect()
}

/// Reads `[first, last, master, replica, …]`. A node is `[host, port, …]`.
fn read_range(range: Value, answering: &str) -> RedisResult<SlotRange> {
    let Value::Array(parts) = range else {
        return Err(malformed());
    };
    let [
        Value::Int(first),
        Value::Int(last),
        Value::Array(master),
        ..,
    ] = &parts[..]
    else {
        return Err(malformed());
    };
    let [host, Value::Int(port), facts @ ..] = &master[..] else {
        return Err(malformed());
    };
    let slot = |number: i64| usize::try_from(number).ok().filter(|slot| *slot < SLOTS);
    let (Some(first), Some(last), Ok(port)) = (slot(*first), slot(*last), u16::try_from(*port))
    else {
        return Err(malformed());
    };
    let host: Option<String> = from_redis_value(host.clone())?;
    let master = Address::named(&host.unwrap_or_default(), port, answering);
    Ok(SlotRange {
        first,
        last,
        master: master.or_else(|| Address::named(&ip_among(facts)?, port, answering)),
    })
}

/// Returns the node's IP address, which a node adds where it prefers host names.
fn ip_among(facts: &[Value]) -> Option<String> {
    let [_id, more, ..] = facts else {
        return None;
    };
    let more: Vec<(String, String)> = from_redis_value(more.clone()).ok()?;
    more.into_iter()
        .find_map(|(name, value)| (name == "ip").then_some(value))
}

fn malformed() -> RedisError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "the server did not answer with the slots of a Cluster",
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn read(answer: &[u8]) -> RedisResult<Vec<SlotRange>> {
        read_slots(redis::parse_redis_value(answer)?, "answering")
    }

    fn masters(answer: &[u8]) -> Vec<(usize, usize, Option<String>)> {
        let shown = |address: Address| format!("{} {}", address.host, address.port);
        let ranges = read(answer).unwrap().into_iter();
        ranges
            .map(|range| (range.first, range.last, range.master.map(shown)))
            .collect()
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot_of("123456789"), 0x31c3);
        assert_eq!(slot_of("foo"), 12_182);
        assert_eq!(slot_of("bar"), 5_061);
        assert_eq!(slot_of(""), 0);
    }

    #[test]
    fn only_the_hash_tag_counts_where_there_is_one() {
        assert_eq!(slot_of("{user1000}.following"), slot_of("user1000"));
        assert_eq!(slot_of("{user1000}.followers"), slot_of("user1000"));
        assert_eq!(slot_of("foo{{bar}}zap"), slot_of("{bar"));
        assert_eq!(slot_of("foo{bar}{zap}"), slot_of("bar"));
        assert_eq!(hash_tag("foo{}{bar}"), None);
        assert_eq!(hash_tag("foo{bar"), None);
        assert_eq!(hash_tag("foo}bar{"), None);
    }

    #[test]
    fn the_masters_are_read() {
        let answer = b"*2\r\n\
            *4\r\n:0\r\n:5460\r\n*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$2\r\nid\r\n\
            *3\r\n$8\r\n10.0.0.9\r\n:7009\r\n$2\r\nid\r\n\
            *3\r\n:5461\r\n:16383\r\n*2\r\n$4\r\nnode\r\n:7001\r\n";
        let is = [
            (0, 5_460, Some("10.0.0.1 7000".to_owned())),
            (5_461, 16_383, Some("node 7001".to_owned())),
        ];
        assert_eq!(masters(answer), is);
    }

    #[test]
    fn a_host_that_is_missing_is_that_of_the_answering_node() {
        for host in ["$-1\r\n", "_\r\n", "$0\r\n\r\n", "$7\r\n0.0.0.0\r\n"] {
            let answer = format!("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n{host}:7000\r\n");
            let is = [(0, 1, Some("answering 7000".to_owned()))];
            assert_eq!(masters(answer.as_bytes()), is, "{host}");
        }
    }

    #[test]
    fn a_host_that_is_unknown_is_replaced_by_the_ip_address() {
        let facts = [
            (
                "RESP2",
                "*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n",
                Some("10.0.0.1 7000".to_owned()),
            ),
            (
                "RESP3",
                "%1\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n",
                Some("10.0.0.1 7000".to_owned()),
            ),
            ("none", "*0\r\n", None),
        ];
        for (what, facts, master) in facts {
            let node = format!("*4\r\n$1\r\n?\r\n:7000\r\n$2\r\nid\r\n{facts}");
            let answer = format!("*1\r\n*3\r\n:0\r\n:1\r\n{node}");
            assert_eq!(masters(answer.as_bytes()), [(0, 1, master)], "{what}");
        }
    }

    #[test]
    fn a_malformed_answer_is_an_error() {
        for malformed in [
            "+OK\r\n",
            "*0\r\n",
            "_\r\n",
            "*1\r\n:1\r\n",
            "*1\r\n*2\r\n:0\r\n:1\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n",
            "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
            "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n*0\r\n:1\r\n",
        ] {
            assert!(read(malformed.as_bytes()).is_err(), "{malformed:?}");
        }
    }

    proptest! {
        #[test]
        fn no_key_has_a_slot_out_of_range(key in any::<String>()) {
            assert!(slot_of(&key) < SLOTS);
        }
    }
}
