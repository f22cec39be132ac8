//! The descriptions of kinds that a log holds, in the bytes of a file.

use crate::layout::{self, KINDS_ENTRY_LEN, KINDS_HEADER_LEN, KindsHeader, Unusable};
use crate::part::{Refused, index};
use batpak_core::{EventHash, KindDescription};

/// A description, and the sequence of the first event of the commit beside which it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The sequence.
    pub sequence: u64,
    /// What was said of the kind.
    pub description: KindDescription,
}

/// The descriptions that stand beside the events of a log up to one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindsFile {
    /// One past the last of these events.
    pub end: u64,
    /// Where the record of the last of them stands in its segment.
    pub last_offset: u64,
    /// Its hash.
    pub last_hash: EventHash,
    /// In the order in which they were written.
    pub described: Vec<Described>,
}

impl KindsFile {
    /// The bytes of the file, for the store with this id.
    ///
    /// # Examples
    /// ```
    /// use batpak_core::{EventHash, EventKind, KindDescription};
    /// use batpak_index::{Described, KindsFile};
    ///
    /// let description = KindDescription::new(EventKind::custom(1, 1), 1, "order.placed", ["items"])?;
    /// let described = vec![Described { sequence: 6, description }];
    /// let file = KindsFile { end: 9, last_offset: 360, last_hash: EventHash::GENESIS, described };
    /// let mut bytes = file.encode([7; 16]);
    /// assert_eq!(KindsFile::decode(&bytes, [7; 16])?, file);
    /// bytes[90] ^= 1;
    /// assert!(KindsFile::decode(&bytes, [7; 16]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode(&self, store_id: [u8; 16]) -> Vec<u8> {
        let mut out = vec![0; KINDS_HEADER_LEN];
        for Described { sequence, description } in &self.described {
            let at = out.len();
            out.resize(at + KINDS_ENTRY_LEN, 0);
            description.encode(&mut out);
            let len = out.len() - at - KINDS_ENTRY_LEN;
            layout::put_kinds_entry(&mut out[at..], *sequence, len as u64);
        }
        let header = KindsHeader {
            store_id,
            end: self.end,
            last_offset: self.last_offset,
            last_hash: self.last_hash,
            count: self.described.len() as u64,
        };
        layout::put_kinds_header(&mut out, &header);
        out
    }

    /// Reads the bytes of a file of the store with this id.
    ///
    /// # Errors
    /// `Refused` with the reason if it is no such file, of another version or store, or not as it was written.
    pub fn decode(bytes: &[u8], store_id: [u8; 16]) -> Result<Self, Refused> {
        let header = KindsHeader::decode(bytes).map_err(Refused::new)?;
        if header.store_id != store_id {
            return Err(Refused::new(Unusable::OtherStore));
        }
        let (mut described, mut rest) = (Vec::new(), &bytes[KINDS_HEADER_LEN..]);
        for _ in 0..header.count {
            let (head, behind) = rest.split_at_checked(KINDS_ENTRY_LEN).ok_or_else(wrong_length)?;
            let (sequence, len) = layout::kinds_entry(head);
            let (body, behind) = behind.split_at_checked(index(len)).ok_or_else(wrong_length)?;
            let description = KindDescription::decode(body).map_err(Refused::new)?;
            described.push(Described { sequence, description });
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(wrong_length());
        }
        let KindsHeader { end, last_offset, last_hash, .. } = header;
        Ok(Self { end, last_offset, last_hash, described })
    }
}

fn wrong_length() -> Refused {
    Refused::new(Unusable::Length)
}
