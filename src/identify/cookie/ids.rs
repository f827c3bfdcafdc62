//! The ids that parsers could read in one request.

use std::borrow::Cow;

use crate::identify::identify_session::Presented;
use crate::session::canonical::canonical;

/// How many different ids are looked up for one request.
///
/// An id in base64 with `=`, `/` and `+` in it has up to three readings, and a browser that holds a
/// cookie of another path sends two of those. A header with more ids than this is made up. The
/// others need no look: the header is written anew, so that the application does not see them.
pub(super) const MAX: usize = Presented::MOST;

/// An id that some parser could read.
#[derive(Clone, Debug)]
pub(super) struct Id<'a> {
    spelling: Cow<'a, [u8]>,
    /// The canonical form, if it is another one.
    canonical: Option<Vec<u8>>,
}

impl<'a> Id<'a> {
    pub(super) fn new(spelling: Cow<'a, [u8]>) -> Self {
        let form = canonical(&spelling);
        let canonical = (*form != *spelling).then(|| form.into_owned());
        Self {
            spelling,
            canonical,
        }
    }

    pub(super) fn into_owned<'b>(self) -> Id<'b> {
        Id {
            spelling: Cow::Owned(self.spelling.into_owned()),
            canonical: self.canonical,
        }
    }

    /// Returns the id as the first parser reads it: without the white space around it, perhaps
    /// still encoded or in quotes.
    pub(super) fn spelling(&self) -> &[u8] {
        &self.spelling
    }

    /// Returns the form in which ids are compared.
    pub(super) fn canonical(&self) -> &[u8] {
        self.canonical.as_deref().unwrap_or(&self.spelling)
    }
}

/// How many bytes of readings are looked at for one request.
///
/// A value of odd characters has some hundred readings, each nearly as long as the value. So a
/// header of 256 KiB, which servers accept, could take seconds. The worst value of 4 KiB, the most
/// that browsers keep, stays below this.
const MOST_BYTES: usize = 2 << 20;

/// The ids found so far.
pub(super) struct Ids<'a> {
    pub(super) found: Vec<Id<'a>>,
    /// How many more bytes are looked at.
    bytes_left: usize,
}

impl Default for Ids<'_> {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            bytes_left: MOST_BYTES,
        }
    }
}

/// Says that there are more than [`MAX`] ids, or more bytes than are looked at.
#[derive(Debug)]
pub(super) struct TooMany;

impl<'a> From<&'a [u8]> for Id<'a> {
    fn from(spelling: &'a [u8]) -> Self {
        Self::new(Cow::Borrowed(spelling))
    }
}

impl<'a> Ids<'a> {
    /// Returns whether an id was found before.
    pub(super) fn contains(&self, id: &Id<'_>) -> bool {
        let form = id.canonical();
        self.found.iter().any(|found| found.canonical() == form)
    }

    pub(super) fn push_spelling(&mut self, spelling: Cow<'a, [u8]>) -> Result<(), TooMany> {
        self.spend(spelling.len())?;
        self.push(Id::new(spelling))
    }

    /// Counts bytes that are looked at.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), TooMany> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(TooMany)?;
        Ok(())
    }

    /// Adds an id, if it is none of those that were found before.
    pub(super) fn push(&mut self, id: Id<'a>) -> Result<(), TooMany> {
        if id.canonical().is_empty() || self.contains(&id) {
            return Ok(());
        }
        if self.found.len() == MAX {
            return Err(TooMany);
        }
        self.found.push(id);
        Ok(())
    }
}
