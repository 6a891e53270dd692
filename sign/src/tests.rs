//! Keys and signatures that minisign 0.11 and OpenSSL 3.0.19 made, and what is wrong with others.

use proptest::prelude::*;

use super::*;

const STATEMENT: &[u8] = b"the statement";

const OPENSSL_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAW9BQRdgj+Alw1usVJNssWbD7KPTkHfAnRcw+QHPjW24=\n-----END PUBLIC KEY-----\n";
const OPENSSL_SIGNATURE: &str =
    "oJr7pkZnWtSycaH3Er/cQ5R8Bb9QuiGXumrWKWXcl93GE+oh6VlAlU8+xQd5B6o31SKhTHQG5dZbjh7iwHcqAQ==";
const X25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIBjDxrxNZbOEtg5qViQaR7qTM9VfPZ1sSNAIGXXirTBW\n-----END PRIVATE KEY-----\n";
const MINISIGN_PUBLIC: &str = "untrusted comment: minisign public key E159FD22F933D9C1\nRWTB2TP5Iv1Z4df3ZUNavo1jyE4+XL+GK50PZUPeZy6kneIyzKUpClx6\n";
const MINISIGN_LEGACY: &str = "untrusted comment: signature from minisign secret key\nRWTB2TP5Iv1Z4aXkyhrW+ZV1ak7k0rFiecZMItX4CXlpKU9OytoFgYpH9+vdauNPp3USCeBjALRwx6/mX8gzxaE9qTLdr7T7sQA=\ntrusted comment: timestamp:1795995286\tfile:st\nMqOmQsGF05fOqbv2UyepMRNVd/A+fy7Qu0oQfWnU5MdPle3bQcQY8WPN1uoUadO8JwJgMhV3I6A9tbPPyE7mCw==\n";
const MINISIGN_PREHASHED: &str = "untrusted comment: signature from minisign secret key\nRUTB2TP5Iv1Z4QBfANT1OWWqcz7IRoeHlzIK9APmBJmjq1nUz02bvZwVOgkQqTdq3z8p3aVAbn23Un00BxC0306qfiEs4Q3m+Ac=\ntrusted comment: timestamp:1795995286\tfile:st\thashed\nTESwW4tNI0EmJFzSqfy1nPklaxUZfYpbzpkxN/lSPud1PKF2poGFxCyHTvBpH/7pRcNVoaYUREhC+mi8zMFnCw==\n";
#[cfg(feature = "make")]
const OPENSSL_SECRET: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEILrdBkcZDTAfdmgeiz5LyvF1CwKyZIt7xRN7CnXMrNIC\n-----END PRIVATE KEY-----\n";
/// minisign writes zeros for the checksum of a key without a password.
#[cfg(feature = "make")]
const MINISIGN_SECRET: &str = "untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwdkz+SL9WeGlNT9dqvlQNxbEhFgDPWQz63oUAwWy0/1Kut88fHGFRdf3ZUNavo1jyE4+XL+GK50PZUPeZy6kneIyzKUpClx6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

fn keys(texts: &[&str]) -> Keys {
    Keys::new(texts.iter().map(|text| PublicKey::parse(text).unwrap()).collect()).unwrap()
}

#[test]
fn signatures_of_minisign_and_openssl_hold() {
    let openssl = PublicKey::parse(OPENSSL_PUBLIC).unwrap();
    let minisign = PublicKey::parse(MINISIGN_PUBLIC).unwrap();
    assert_eq!(PublicKey::parse(&minisign.to_base64()), Ok(minisign), "a line alone, as minisign -P takes it");
    assert_eq!(PublicKey::parse(&minisign.to_minisign()), Ok(minisign));
    assert_eq!(PublicKey::parse(&openssl.to_pem()), Ok(openssl));
    assert!(minisign.to_minisign().ends_with(MINISIGN_PUBLIC.split_once('\n').unwrap().1));
    assert!(MINISIGN_PUBLIC.contains(&minisign.id().to_string()));
    let kinds = [
        (Signature::parse(OPENSSL_SIGNATURE.as_bytes(), Some(&openssl)).unwrap(), openssl, SignatureKind::Pure),
        (Signature::parse(MINISIGN_LEGACY.as_bytes(), None).unwrap(), minisign, SignatureKind::Pure),
        (Signature::parse(MINISIGN_PREHASHED.as_bytes(), None).unwrap(), minisign, SignatureKind::Prehashed),
    ];
    for (signature, key, kind) in kinds {
        assert_eq!((signature.kind, signature.key), (kind, key.id()));
        signature.check(STATEMENT, &key).unwrap();
        assert_eq!(signature.check(b"another", &key), Err(SignError::Wrong(key.id())));
        assert_eq!(SignatureKind::of_number(kind.number()), Some(kind));
        let flipped = SignatureKind::of_number(3 - kind.number()).unwrap();
        assert!(Signature { kind: flipped, ..signature }.check(STATEMENT, &key).is_err(), "one kind is not the other");
        assert_eq!(Signature::parse(&signature.bytes, Some(&key)).unwrap().bytes, signature.bytes);
    }
    assert_eq!(Signature::parse(OPENSSL_SIGNATURE.as_bytes(), None), Err(SignError::KeyNeeded));
}

#[test]
fn enough_trusted_keys_must_sign() {
    let openssl = PublicKey::parse(OPENSSL_PUBLIC).unwrap();
    let by_openssl = Signature::parse(OPENSSL_SIGNATURE.as_bytes(), Some(&openssl)).unwrap();
    let by_minisign = Signature::parse(MINISIGN_PREHASHED.as_bytes(), None).unwrap();
    let both = keys(&[OPENSSL_PUBLIC, MINISIGN_PUBLIC]);
    let one = keys(&[MINISIGN_PUBLIC, MINISIGN_PUBLIC]);
    assert_eq!((both.len(), one.len(), Keys::default().is_empty()), (2, 1, true));
    assert_eq!(both.check(STATEMENT, &[by_openssl, by_minisign], 2), Ok(2));
    assert_eq!(one.check(STATEMENT, &[by_openssl, by_minisign], 0), Ok(1));
    let missing = SignError::TooFew { signers: 1, threshold: 2 };
    assert_eq!(both.check(STATEMENT, &[by_minisign; 5], 2), Err(missing.clone()), "a key counts once");
    assert_eq!(both.check(STATEMENT, &[], 1), Err(SignError::Unsigned));
    // minisign's form of a key has an id by lot, and PEM one that follows from the key.
    let twice = keys(&[MINISIGN_PUBLIC, &PublicKey::parse(MINISIGN_PUBLIC).unwrap().to_pem()]);
    let pem_id = PublicKey::of_bytes(*PublicKey::parse(MINISIGN_PUBLIC).unwrap().bytes()).id();
    let under_both = [by_minisign, Signature { key: pem_id, ..by_minisign }];
    assert_eq!(twice.check(STATEMENT, &under_both, 2), Err(missing.clone()), "a key under two ids counts once");
    let by_others = one.check(STATEMENT, &[by_openssl], 1);
    assert_eq!(by_others, Err(SignError::Untrusted(openssl.id().to_string())));
    let wrong = Signature { bytes: [1; 64], ..by_minisign };
    assert_eq!(both.check(STATEMENT, &[wrong], 1), Err(SignError::Wrong(by_minisign.key)));
    assert_eq!(both.check(STATEMENT, &[wrong, by_openssl], 1), Ok(1), "a bad signature takes nothing from a good one");
    let crowded = [&[wrong; 2 * MAX_SIGNATURES - 1][..], &[by_openssl]].concat();
    assert_eq!(both.check(STATEMENT, &crowded, 1), Ok(1), "an index and files beside it are read to their limits");
    let hidden = [&[wrong; 2 * MAX_SIGNATURES][..], &[by_openssl]].concat();
    assert_eq!(both.check(STATEMENT, &hidden, 1), Err(SignError::Wrong(by_minisign.key)), "the work is bounded");
}

#[test]
fn what_is_no_key_is_named() {
    assert_eq!(PublicKey::parse(X25519), Err(SignError::Algorithm));
    assert_eq!(PublicKey::parse(""), Err(SignError::NotPublic));
    assert_eq!(PublicKey::parse(OPENSSL_SIGNATURE), Err(SignError::NotPublic));
    assert_eq!(
        PublicKey::parse("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        Err(SignError::Algorithm)
    );
    assert_eq!(Signature::parse(MINISIGN_PUBLIC.as_bytes(), None), Err(SignError::NotSignature));
    let same_id = PublicKey::parse(&MINISIGN_PUBLIC.replace("f3ZUNa", "f3ZUNb")).unwrap();
    let other = PublicKey::parse(MINISIGN_PUBLIC).unwrap();
    assert_eq!(Keys::new(vec![same_id, other]), Err(SignError::SameId(other.id())));
    let many = (0..=MAX_KEYS as u8).map(|n| PublicKey::of_bytes([n; 32])).collect();
    assert_eq!(Keys::new(many), Err(SignError::TooManyKeys));
}

#[cfg(feature = "make")]
#[test]
fn secret_keys_of_all_kinds_sign() {
    let none = || -> Option<String> { panic!("these keys have no password") };
    assert_eq!(PublicKey::parse(OPENSSL_SECRET), Err(SignError::SecretInstead));
    assert_eq!(PublicKey::parse(MINISIGN_SECRET), Err(SignError::SecretInstead));
    assert_eq!(SecretKey::parse(OPENSSL_PUBLIC, none).unwrap_err(), SignError::PublicInstead);
    assert_eq!(SecretKey::parse(MINISIGN_PUBLIC, none).unwrap_err(), SignError::PublicInstead);
    let openssl = SecretKey::parse(OPENSSL_SECRET, none).unwrap();
    let minisign = SecretKey::parse(MINISIGN_SECRET, none).unwrap();
    assert_eq!(openssl.public(), PublicKey::parse(OPENSSL_PUBLIC).unwrap());
    assert_eq!(minisign.public(), PublicKey::parse(MINISIGN_PUBLIC).unwrap());
    // Ed25519 draws nothing by lot, so the same key makes the same signatures.
    let of_openssl = Signature::parse(OPENSSL_SIGNATURE.as_bytes(), Some(&openssl.public())).unwrap();
    assert_eq!(openssl.sign(STATEMENT), of_openssl);
    assert_eq!(openssl.detached(&of_openssl, ""), of_openssl.bytes);
    let of_minisign = Signature::parse(MINISIGN_PREHASHED.as_bytes(), None).unwrap();
    assert_eq!(minisign.sign(STATEMENT), of_minisign);
    let comment = MINISIGN_PREHASHED.split_once("trusted comment: timestamp").unwrap().1;
    let comment = format!("timestamp{}", comment.split_once('\n').unwrap().0);
    let file = String::from_utf8(minisign.detached(&of_minisign, &comment)).unwrap();
    assert_eq!(file.lines().skip(1).collect::<Vec<_>>(), MINISIGN_PREHASHED.lines().skip(1).collect::<Vec<_>>());
    let damaged = MINISIGN_SECRET.replace("f3ZUNa", "f3ZUNb");
    assert_eq!(SecretKey::parse(&damaged, none).unwrap_err(), SignError::NotSecret);
}

#[cfg(feature = "make")]
#[test]
fn new_keys_are_read_again() {
    let (key, file) = SecretKey::generate(None).unwrap();
    let read = SecretKey::parse(&file, || None).unwrap();
    assert_eq!(read.sign(STATEMENT), key.sign(STATEMENT));
    assert_ne!(SecretKey::generate(None).unwrap().0.public(), key.public());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (PublicKey::parse(&text), Signature::parse(&bytes, None), Signature::parse(text.as_bytes(), None));
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----");
        prop_assert!(PublicKey::parse(&pem).is_err());
    }
}
