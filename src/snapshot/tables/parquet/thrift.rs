//! What a Parquet file says about itself, in Thrift's compact protocol: walked before it is decoded.
//!
//! The decoder makes room for whatever number of elements a list claims to have, and for whatever length a text does, and
//! it takes a field for what its number means, not for what the bytes say it is. So a footer or the head of a page is
//! walked first: every field that is known must be of its kind, every length must fit in the bytes that are there.

/// What is wrong, and with which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw {
    pub at: usize,
    pub what: &'static str,
}

/// What a field is. Integers of 16 to 64 bits are written alike.
#[derive(Clone, Copy)]
enum Kind {
    Flag,
    Byte,
    Int,
    Binary,
    Ints,
    Binaries,
    Struct(Shape),
    List(Shape),
}

/// The fields of a structure that the decoder knows.
pub(super) type Shape = &'static [(i16, Known)];

/// Keeps how a field is written to this file.
#[derive(Clone, Copy)]
pub(super) struct Known(Kind);

macro_rules! shape {
    ($($name:ident: { $($($id:literal),+ => $kind:expr;)* })*) => {
        $(pub(super) const $name: Shape = &[$($(($id, Known($kind)),)+)*];)*
    };
}

shape! {
    NOTHING: {}
    UNIT: { 1, 2, 3 => Kind::Struct(NOTHING); }
    TIME: { 1 => Kind::Flag; 2 => Kind::Struct(UNIT); }
    INTEGER: { 1 => Kind::Byte; 2 => Kind::Flag; }
    DECIMAL: { 1, 2 => Kind::Int; }
    LOGICAL: {
        1, 2, 3, 4, 6, 11, 12, 13, 14, 15 => Kind::Struct(NOTHING);
        5 => Kind::Struct(DECIMAL); 7, 8 => Kind::Struct(TIME); 10 => Kind::Struct(INTEGER);
    }
    ELEMENT: { 1, 2, 3, 5, 6, 7, 8, 9 => Kind::Int; 4 => Kind::Binary; 10 => Kind::Struct(LOGICAL); }
    STATISTICS: { 1, 2, 5, 6 => Kind::Binary; 3, 4 => Kind::Int; 7, 8 => Kind::Flag; }
    ENTRY: { 1, 2 => Kind::Binary; }
    ENCODED: { 1, 2, 3 => Kind::Int; }
    HISTOGRAMS: { 1 => Kind::Int; 2, 3 => Kind::Ints; }
    CHUNK: {
        1, 4, 5, 6, 7, 9, 10, 11, 14, 15 => Kind::Int; 2 => Kind::Ints; 3 => Kind::Binaries; 8 => Kind::List(ENTRY);
        12 => Kind::Struct(STATISTICS); 13 => Kind::List(ENCODED); 16 => Kind::Struct(HISTOGRAMS);
    }
    COLUMN: { 1 => Kind::Binary; 2, 4, 5, 6, 7 => Kind::Int; 3 => Kind::Struct(CHUNK); }
    SORTING: { 1 => Kind::Int; 2, 3 => Kind::Flag; }
    GROUP: { 1 => Kind::List(COLUMN); 2, 3, 5, 6, 7 => Kind::Int; 4 => Kind::List(SORTING); }
    ORDER: { 1 => Kind::Struct(NOTHING); }
    FOOTER: {
        1, 3 => Kind::Int; 2 => Kind::List(ELEMENT); 4 => Kind::List(GROUP); 5 => Kind::List(ENTRY);
        6 => Kind::Binary; 7 => Kind::List(ORDER);
    }
    DATA: { 1, 2, 3, 4 => Kind::Int; 5 => Kind::Struct(STATISTICS); }
    DICTIONARY: { 1, 2 => Kind::Int; 3 => Kind::Flag; }
    DATA_V2: { 1, 2, 3, 4, 5, 6 => Kind::Int; 7 => Kind::Flag; 8 => Kind::Struct(STATISTICS); }
    PAGE: {
        1, 2, 3, 4 => Kind::Int; 5 => Kind::Struct(DATA); 6 => Kind::Struct(NOTHING);
        7 => Kind::Struct(DICTIONARY); 8 => Kind::Struct(DATA_V2);
    }
}

impl Kind {
    /// Whether a field written as `code` is of this kind.
    fn is_written(self, code: u8) -> bool {
        match self {
            Self::Flag => matches!(code, TRUE | FALSE),
            Self::Byte => code == BYTE,
            Self::Int => matches!(code, 4..=6),
            Self::Binary => code == BINARY,
            Self::Ints | Self::Binaries | Self::List(_) => code == LIST,
            Self::Struct(_) => code == STRUCT,
        }
    }
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Structures within structures; Parquet has about seven.
const DEEPEST: u8 = 24;

/// The integers of one structure and those it holds: number of the field that holds it (0: none), number, value.
pub(super) type See<'s> = &'s mut dyn FnMut(i16, i16, i64);

/// Walks one structure from the first of `bytes` on, and says how many it takes.
pub(super) fn walk(bytes: &[u8], shape: Shape, see: See) -> Result<usize, Flaw> {
    let mut walk = Walk { bytes, at: 0 };
    walk.structure(shape, 0, 0, see)?;
    Ok(walk.at)
}

struct Walk<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Walk<'_> {
    fn flaw<T>(&self, what: &'static str) -> Result<T, Flaw> {
        Err(Flaw { at: self.at, what })
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Flaw> {
        if bytes > (self.bytes.len() - self.at) as u64 {
            return self.flaw("more is said to follow than there is");
        }
        self.at += bytes as usize;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        self.skip(1)?;
        Ok(self.bytes[self.at - 1])
    }

    fn unsigned(&mut self) -> Result<u64, Flaw> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        self.flaw("a number has no end")
    }

    fn signed(&mut self) -> Result<i64, Flaw> {
        let number = self.unsigned()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn structure(&mut self, shape: Shape, held_by: i16, depth: u8, see: See) -> Result<(), Flaw> {
        if depth > DEEPEST {
            return self.flaw("structures lie within structures without end");
        }
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            let code = head & 0x0f;
            if code == 0 {
                return Ok(());
            }
            let next = match head >> 4 {
                0 => i16::try_from(self.signed()?).ok(),
                step => id.checked_add(i16::from(step)),
            };
            let Some(next) = next else { return self.flaw("a field has no number") };
            id = next;
            let known = shape.iter().find(|(known, _)| *known == id).map(|(_, known)| known.0);
            if known.is_some_and(|kind| !kind.is_written(code)) {
                return self.flaw("a field is not of its kind");
            }
            match (code, known) {
                (TRUE | FALSE, _) => {}
                (4..=6, _) => {
                    let value = self.signed()?;
                    see(held_by, id, value);
                }
                // Deeper ones are nobody's business.
                (STRUCT, Some(Kind::Struct(shape))) => {
                    self.structure(shape, if depth == 0 { id } else { -1 }, depth + 1, see)?;
                }
                (LIST, known) => self.list(known, if depth == 0 { id } else { -1 }, depth, see)?,
                _ => self.value(code, depth, see)?,
            }
        }
    }

    fn list(&mut self, known: Option<Kind>, held_by: i16, depth: u8, see: See) -> Result<(), Flaw> {
        let head = self.byte()?;
        let (code, count) = (head & 0x0f, u64::from(head >> 4));
        let count = if count == 15 { self.unsigned()? } else { count };
        // No element takes less than a byte.
        if count > (self.bytes.len() - self.at) as u64 {
            return self.flaw("a list is said to be longer than what holds it");
        }
        let (expected, shape) = match known {
            Some(Kind::Ints) => (Some(Kind::Int), NOTHING),
            Some(Kind::Binaries) => (Some(Kind::Binary), NOTHING),
            Some(Kind::List(shape)) => (Some(Kind::Struct(shape)), shape),
            _ => (None, NOTHING),
        };
        if count > 0 && expected.is_some_and(|kind| !kind.is_written(code)) {
            return self.flaw("a list is not of its kind");
        }
        for _ in 0..count {
            match code {
                STRUCT => self.structure(shape, held_by, depth + 1, see)?,
                TRUE | FALSE => self.skip(1)?,
                _ => self.value(code, depth + 1, see)?,
            }
        }
        Ok(())
    }

    /// A value that nobody asked for.
    fn value(&mut self, code: u8, depth: u8, see: See) -> Result<(), Flaw> {
        if depth > DEEPEST {
            return self.flaw("structures lie within structures without end");
        }
        match code {
            BYTE => self.skip(1),
            4..=6 => self.unsigned().map(drop),
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            LIST => self.list(None, -1, depth + 1, see),
            STRUCT => self.structure(NOTHING, -1, depth + 1, see),
            _ => self.flaw("a field is of no kind that Parquet has"),
        }
    }
}
