//! How bytes and ids are written in the testkit's JSON.

use base64::engine::general_purpose::STANDARD;
use larder_core::model::KeyId;

/// Key ids in hexadecimal.
pub(crate) mod key_ids {
    use super::KeyId;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(ids: &[KeyId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(|id| id.to_hex()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<KeyId>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        let ids: Option<Vec<KeyId>> = texts.iter().map(|text| KeyId::parse(text)).collect();
        ids.ok_or_else(|| D::Error::custom("a key id is 32 hexadecimal digits"))
    }
}

/// Bytes in base64.
pub(crate) mod base64_bytes {
    use super::STANDARD;
    use base64::Engine as _;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}
