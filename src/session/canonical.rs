//! The one form in which a session id is compared.

use std::borrow::Cow;

use memchr::memchr2;

/// Returns the canonical form of an id.
///
/// One id has several spellings. A browser sends back `A%2Bb`, an application decodes it and hands
/// `A+b` to a [`Tracker`](crate::Tracker), a form decoder makes `A b` of that, and a library puts
/// quotes around it. All of them mean one session, so all of them have one canonical form:
///
/// - `%hh` is decoded until none is left. A `%` without two hex digits behind it stays.
/// - A space becomes `+`.
/// - Pairs of double quotes around the whole are taken off.
///
/// # Why decoding goes on until nothing is left to decode
///
/// Nobody knows how often a value has been decoded before it arrives here. The layer sees the wire,
/// an application hands over what its framework has decoded once, and a proxy may have decoded
/// before both. If the canonical form decoded once, `%2541` on the wire would be `%41`, and the
/// same cookie from the application would be `A`: two sessions, of which only one is revoked.
/// Decoded to the end, both are `A`. The price is that an application cannot have two sessions
/// whose ids differ only by being encoded.
///
/// The result is the same whatever is decoded first, since two `%hh` never overlap: `%` is no hex
/// digit.
pub(crate) fn canonical(id: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'%', b' ', id).is_none() {
        return Cow::Borrowed(unquoted(id));
    }
    let mut decoded = Vec::with_capacity(id.len());
    for &byte in id {
        decoded.push(byte);
        // A byte just decoded may be the end of a further `%hh`, or its beginning.
        while let [rest @ .., b'%', high, low] = &decoded[..]
            && let Some(byte) = from_hex(*high, *low)
        {
            let rest = rest.len();
            decoded.truncate(rest);
            decoded.push(byte);
        }
    }
    for byte in &mut decoded {
        if *byte == b' ' {
            *byte = b'+';
        }
    }
    let inner = unquoted(&decoded);
    if inner.len() < decoded.len() {
        decoded = inner.to_vec();
    }
    Cow::Owned(decoded)
}

/// Returns the byte that two hex digits stand for.
pub(crate) fn from_hex(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high << 4 | low).ok()
}

/// Returns what is inside the pairs of double quotes.
fn unquoted(mut id: &[u8]) -> &[u8] {
    while let [b'"', inner @ .., b'"'] = id {
        id = inner;
    }
    id
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_spellings_of_an_id_have_one_form() {
        for (spellings, form) in [
            (
                &[
                    "A1b2",
                    "%411b2",
                    "%2541%31b2",
                    "\"A1b2\"",
                    "%22A1b2%22",
                    "\"\"A1b2\"\"",
                ][..],
                "A1b2",
            ),
            (&["a b", "a+b", "a%20b", "a%2Bb", "a%2bb", "a%252Bb"], "a+b"),
            (&["100%", "100%25", "100%2525"], "100%"),
            (&["%zz", "%25zz"], "%zz"),
            (&["%2%35", "%2%2535", "%25"], "%"),
            (&["", "\"\"", "%22%22"], ""),
            (&["\"", "\"\"\"", "%22"], "\""),
            (&["\"A", "%22A"], "\"A"),
        ] {
            for spelling in spellings {
                let found = canonical(spelling.as_bytes());
                assert_eq!(String::from_utf8_lossy(&found), form, "{spelling}");
            }
        }
    }

    #[test]
    fn an_id_of_token_characters_is_borrowed() {
        for id in [
            "",
            "A1b2",
            "eyJhbGciOi.J9_-~",
            "a+b/c==",
            "s:A1b2.QQ",
            "\"A1b2\"",
        ] {
            assert!(matches!(canonical(id.as_bytes()), Cow::Borrowed(_)), "{id}");
        }
    }

    #[test]
    fn a_long_id_takes_time_in_proportion() {
        // Each of these would take hours if every `%hh` were looked for anew from the beginning.
        let nested = "%".to_owned() + &"25".repeat(1 << 20);
        assert_eq!(canonical(nested.as_bytes()), &b"%"[..]);
        let quoted = "\"".repeat(1 << 20) + "%41" + &"\"".repeat(1 << 20);
        assert_eq!(canonical(quoted.as_bytes()), &b"A"[..]);
    }

    /// Decodes each `%hh` that is there at the beginning, as frameworks do.
    fn decoded_once(id: &[u8], plus: bool) -> Vec<u8> {
        let mut decoded = Vec::new();
        let mut rest = id;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            decoded.push(match *byte {
                b'%' if let [high, low, behind @ ..] = behind
                    && let Some(byte) = from_hex(*high, *low) =>
                {
                    rest = behind;
                    byte
                }
                b'+' if plus => b' ',
                byte => byte,
            });
        }
        decoded
    }

    /// Ids in which much can be decoded.
    fn id() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::sample::select(&b"%%%2222555\"\"  ++Ab0\\"[..]).prop_map(|byte| vec![byte]),
            1 => prop::sample::select(&["%25", "%22", "%20", "%2B", "%41", "%3", "%ff", "%2525"][..])
                .prop_map(|text| text.as_bytes().to_vec()),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        vec(piece, 0..16).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(id in id()) {
            let form = canonical(&id);
            prop_assert_eq!(canonical(&form), form.clone());
        }

        #[test]
        fn decoding_does_not_change_the_canonical_form(id in id()) {
            for plus in [false, true] {
                let decoded = decoded_once(&id, plus);
                prop_assert_eq!(canonical(&decoded), canonical(&id));
            }
        }

        #[test]
        fn decoding_any_one_place_does_not_change_the_canonical_form(id in id(), at in 0_usize..48) {
            if let Some([b'%', high, low]) = id.get(at..at + 3) && let Some(byte) = from_hex(*high, *low) {
                let decoded = [&id[..at], &[byte], &id[at + 3..]].concat();
                prop_assert_eq!(canonical(&decoded), canonical(&id));
            }
        }

        #[test]
        fn quotes_do_not_change_the_canonical_form(id in id()) {
            let quoted = [b"\"", &id[..], b"\""].concat();
            prop_assert_eq!(canonical(&quoted), canonical(&id));
        }

        #[test]
        fn encoding_does_not_change_the_canonical_form(id in id(), which in vec(any::<bool>(), 64)) {
            let encoded: Vec<u8> = id
                .iter()
                .zip(which.iter().cycle())
                .flat_map(|(&byte, &encode)| {
                    if encode { format!("%{byte:02x}").into_bytes() } else { vec![byte] }
                })
                .collect();
            prop_assert_eq!(canonical(&encoded), canonical(&id));
        }
    }
}
