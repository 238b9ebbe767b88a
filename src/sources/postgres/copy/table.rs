//! What the server says of a table: the tables its rows lie in, and how each column asked for is brought over.

use polars::prelude::PlSmallStr;

use super::cells::Kind;
use super::decode::Shape;
use super::link::Link;
use super::{CopyError, Estimate, Pick, TableName};
use crate::sources::SourceError;
use crate::sources::postgres::catalog::identifier;
use crate::sources::postgres::columns::text_literal;

/// Bytes that a value is taken for where the planner has not seen the column.
const WIDTH: u64 = 32;

/// Bytes of a block and of what a row takes in it beside its values; only guesses are made of them.
const BLOCK: f64 = 8_192.0;
const ROW: u64 = 28;

/// One table whose rows are among those asked for.
#[derive(Debug, Clone)]
struct Member {
    schema: String,
    name: String,
    /// `r`, `m`, `v`, `f`.
    kind: String,
    oid: String,
    /// Whether its rows lie in blocks that can be asked for.
    heap: bool,
    blocks: u64,
    rows: f64,
    readable: bool,
}

/// A column of the table.
#[derive(Debug)]
struct Described {
    name: String,
    written: String,
    /// Of a domain, the type beneath.
    kind: String,
    oid: u32,
    /// Oid and kind of the elements, where it is an array.
    element: Option<(u32, String)>,
    readable: bool,
    width: Option<u64>,
}

/// How a table is read.
#[derive(Debug)]
pub(super) struct Plan {
    /// `schema.table`.
    pub table: String,
    /// The columns of the frame.
    pub shape: Vec<Shape>,
    /// What one row takes and how many there are.
    pub estimate: Estimate,
    /// The expressions of the columns.
    expressions: String,
    places: Vec<Place>,
}

/// Where rows lie.
#[derive(Debug, Clone)]
struct Place {
    qualified: String,
    /// `ONLY "schema"."table"`.
    from: String,
    /// `None` where rows cannot be asked for by block.
    blocks: Option<u64>,
}

/// What one statement reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// For people.
    pub name: String,
    /// Tables and conditions, for a statement.
    pub from: String,
    /// How many blocks, for the progress.
    pub blocks: u64,
}

impl Plan {
    /// Looks a table up and settles how it is read.
    pub(super) async fn of(
        link: &mut Link,
        table: &TableName,
        picks: &[Pick],
        plain: bool,
    ) -> Result<Self, CopyError> {
        let qualified = table.qualified();
        let sql = format!(
            "SELECT c.oid::text, has_schema_privilege(n.oid, 'USAGE')::text, row_security_active(c.oid)::text
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
            text_literal(&table.schema),
            text_literal(&table.name)
        );
        let Some([oid, usable, secured]) = link.lines(&sql, &qualified).await?.pop() else {
            return Err(CopyError::NoTable { place: link.place().to_owned(), table: qualified });
        };
        if !yes(usable.as_ref()) {
            return Err(link.denied(&qualified).into());
        }
        if yes(secured.as_ref()) {
            let (place, user) = (link.place().to_owned(), link.user().to_owned());
            return Err(SourceError::RowSecurity { place, user, table: qualified }.into());
        }
        let oid = oid.unwrap_or_default();
        let members = members(link, &oid, &qualified).await?;
        let described = columns(link, &oid, &members, &qualified).await?;
        let picks = if picks.is_empty() {
            described.iter().map(|column| Pick::Column(column.name.clone())).collect()
        } else {
            picks.to_vec()
        };
        let mut shape: Vec<Shape> = Vec::with_capacity(picks.len());
        let mut expressions = Vec::with_capacity(picks.len());
        let mut row = 0;
        for pick in &picks {
            let column = find(&described, pick.column(), &qualified)?;
            if !column.readable {
                return Err(link.denied(&format!("{qualified}.{}", column.name)).into());
            }
            let (kind, expression) = taken(pick, column, plain, &qualified)?;
            let name = PlSmallStr::from(pick.name());
            if shape.iter().any(|other| other.name == name) {
                return Err(CopyError::Twice { table: qualified, name: name.to_string() });
            }
            row += kind.bytes_held(column.width.unwrap_or(WIDTH));
            shape.push(Shape { name, kind });
            expressions.push(expression);
        }
        let expressions = expressions.join(", ");
        let whole = format!("{}.{}", identifier(&table.schema), identifier(&table.name));
        // Takes the lock that keeps tables as they are until the transaction ends, and says what may not be read.
        link.execute(&format!("SELECT {expressions} FROM {whole} LIMIT 0"), &qualified).await?;
        let blocks: u64 = members.iter().map(|member| member.blocks).sum();
        let width: u64 = described.iter().map(|column| column.width.unwrap_or(WIDTH)).sum();
        let rows: f64 = members.iter().map(|member| member.rows_or_guess(width + ROW)).sum();
        let estimate = Estimate { rows: rows as u64, bytes: rows as u64 * row, blocks };
        Ok(Self {
            places: places(members, &qualified, whole),
            table: qualified,
            shape,
            estimate,
            expressions,
        })
    }

    /// The statement that copies a part.
    pub(super) fn copy(&self, part: &Part) -> String {
        format!("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)", self.expressions, part.from)
    }

    /// All that is to be read, at most `size` blocks at a time, in order.
    pub(super) fn parts(&self, size: u64) -> impl Iterator<Item = Part> + Send + 'static {
        let size = size.max(1);
        self.places.clone().into_iter().flat_map(move |place| {
            let count = place.blocks.map_or(1, |blocks| blocks.div_ceil(size));
            (0..count).map(move |i| place.part(i * size, size))
        })
    }

    /// How many parts that are.
    pub(super) fn part_count(&self, size: u64) -> u64 {
        let of = |place: &Place| place.blocks.map_or(1, |blocks| blocks.div_ceil(size.max(1)));
        self.places.iter().map(of).sum()
    }
}

impl Part {
    /// The statement that shows a row, the first being 1, where rows have an order.
    pub(super) fn show(&self, row: u64) -> Option<String> {
        let before = row.saturating_sub(1);
        (self.blocks > 0).then(|| format!("SELECT * FROM {} OFFSET {before} LIMIT 1", self.from))
    }
}

impl Place {
    fn part(&self, first: u64, size: u64) -> Part {
        let Some(blocks) = self.blocks else {
            return Part { name: format!("`{}`", self.qualified), from: self.from.clone(), blocks: 0 };
        };
        // The size was asked for within the snapshot: what it sees lies in these blocks.
        let end = blocks.min(first + size);
        Part {
            name: format!("`{}` (blocks {first} to {})", self.qualified, end - 1),
            from: format!("{} WHERE ctid >= '({first},0)'::tid AND ctid < '({end},0)'::tid", self.from),
            blocks: end - first,
        }
    }
}

impl Member {
    /// Rows as the server counted them last, or as many as fit where it never did.
    fn rows_or_guess(&self, width: u64) -> f64 {
        if self.rows >= 0.0 && self.heap { self.rows } else { self.blocks as f64 * BLOCK / width as f64 }
    }
}

fn yes(text: Option<&String>) -> bool {
    text.is_some_and(|text| text == "true")
}

async fn members(link: &mut Link, oid: &str, what: &str) -> Result<Vec<Member>, SourceError> {
    let sql = include_str!("../sql/copy_members.sql").replace("{oid}", oid);
    let lines = link.lines(&sql, what).await?;
    Ok(lines
        .into_iter()
        .map(|[schema, name, kind, oid, heap, blocks, rows, readable]| Member {
            schema: schema.unwrap_or_default(),
            name: name.unwrap_or_default(),
            kind: kind.unwrap_or_default(),
            oid: oid.unwrap_or_default(),
            heap: yes(heap.as_ref()),
            blocks: blocks.and_then(|blocks| blocks.parse().ok()).unwrap_or_default(),
            rows: rows.and_then(|rows| rows.parse().ok()).unwrap_or(-1.0),
            readable: yes(readable.as_ref()),
        })
        .collect())
}

async fn columns(
    link: &mut Link,
    oid: &str,
    members: &[Member],
    what: &str,
) -> Result<Vec<Described>, SourceError> {
    let of: Vec<&str> = members.iter().map(|member| member.oid.as_str()).chain([oid]).collect();
    let sql =
        include_str!("../sql/copy_columns.sql").replace("{oid}", oid).replace("{members}", &of.join(", "));
    let lines = link.lines(&sql, what).await?;
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
    Ok(lines
        .into_iter()
        .map(|[name, written, oid, kind, element, element_kind, readable, width]| Described {
            name: name.unwrap_or_default(),
            written: written.unwrap_or_default(),
            kind: kind.unwrap_or_default(),
            oid: number(oid).unwrap_or_default() as u32,
            element: number(element).map(|oid| (oid as u32, element_kind.unwrap_or_default())),
            readable: yes(readable.as_ref()),
            width: number(width),
        })
        .collect())
}

/// A table of which a part cannot be read apart is read as one.
fn places(members: Vec<Member>, qualified: &str, whole: String) -> Vec<Place> {
    if members.iter().any(|member| !member.readable) {
        return vec![Place { qualified: qualified.to_owned(), from: whole, blocks: None }];
    }
    let place = |member: Member| {
        let name = format!("{}.{}", identifier(&member.schema), identifier(&member.name));
        let from = if member.kind == "v" { name } else { format!("ONLY {name}") };
        Place {
            qualified: format!("{}.{}", member.schema, member.name),
            from,
            blocks: member.heap.then_some(member.blocks),
        }
    };
    members.into_iter().map(place).collect()
}

fn find<'d>(described: &'d [Described], name: &str, table: &str) -> Result<&'d Described, CopyError> {
    described.iter().find(|column| column.name == name).ok_or_else(|| CopyError::NoColumn {
        table: table.to_owned(),
        column: name.to_owned(),
        there: described.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

/// How a column travels, and the expression that asks for it.
fn taken(pick: &Pick, column: &Described, plain: bool, table: &str) -> Result<(Kind, String), CopyError> {
    let quoted = identifier(&column.name);
    Ok(match pick {
        Pick::Text(_) => (Kind::Text, format!("{quoted}::text")),
        Pick::Number(_) => (Kind::Number, format!("{quoted}::text")),
        Pick::Json { path, .. } => {
            if ![oid::JSON, oid::JSONB].contains(&column.oid) {
                return Err(CopyError::NoJson {
                    table: table.to_owned(),
                    column: column.name.clone(),
                    found: column.written.clone(),
                });
            }
            let keys: Vec<String> = path.iter().map(|key| text_literal(key)).collect();
            (Kind::Text, format!("{quoted} #>> ARRAY[{}]::text[]", keys.join(", ")))
        }
        Pick::Column(_) if plain && [oid::BYTES, oid::CLOCK].contains(&column.oid) => {
            (Kind::Text, format!("{quoted}::text"))
        }
        Pick::Column(_) => match (native(column.oid, &column.kind), &column.element) {
            (Some(kind), _) => (kind, quoted),
            (None, Some((element, kind))) => match native(*element, kind).and_then(list) {
                Some(kind) => (kind, quoted),
                None => (Kind::Texts, format!("{quoted}::text[]")),
            },
            (None, None) => (Kind::Text, format!("{quoted}::text")),
        },
    })
}

/// Numbers of the types whose binary form is read as it is; they are the same in every database.
mod oid {
    pub const JSON: u32 = 114;
    pub const JSONB: u32 = 3802;
    pub const BYTES: u32 = 17;
    /// `timestamp`, which has no zone.
    pub const CLOCK: u32 = 1114;
}

fn native(oid: u32, kind: &str) -> Option<Kind> {
    Some(match oid {
        _ if kind == "e" => Kind::Text,
        16 => Kind::Boolean,
        20 | 21 | 23 => Kind::Integer,
        700 | 701 => Kind::Float,
        // name, text, json, character, character varying
        19 | 25 | oid::JSON | 1042 | 1043 => Kind::Text,
        oid::JSONB => Kind::Jsonb,
        2950 => Kind::Uuid,
        oid::BYTES => Kind::Bytes,
        1082 => Kind::Date,
        oid::CLOCK => Kind::Clock,
        1184 => Kind::Instant,
        _ => return None,
    })
}

/// The list of a kind, where arrays of it are read as they are.
fn list(kind: Kind) -> Option<Kind> {
    Some(match kind {
        Kind::Boolean => Kind::Booleans,
        Kind::Integer => Kind::Integers,
        Kind::Float => Kind::Floats,
        Kind::Text => Kind::Texts,
        Kind::Uuid => Kind::Uuids,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(oid: u32, kind: &str, element: Option<(u32, &str)>) -> Described {
        Described {
            name: "a\"b".to_owned(),
            written: "any".to_owned(),
            kind: kind.to_owned(),
            oid,
            element: element.map(|(oid, kind)| (oid, kind.to_owned())),
            readable: true,
            width: None,
        }
    }

    fn column(oid: u32, kind: &str, element: Option<(u32, &str)>) -> (Kind, String) {
        let column = described(oid, kind, element);
        taken(&Pick::Column(column.name.clone()), &column, false, "t").expect("every type is taken")
    }

    #[test]
    fn what_is_not_read_in_binary_is_brought_over_as_text() {
        assert_eq!(column(1184, "b", None), (Kind::Instant, r#""a""b""#.to_owned()));
        assert_eq!(column(1700, "b", None), (Kind::Text, r#""a""b"::text"#.to_owned()));
        assert_eq!(column(99_999, "e", None).0, Kind::Text);
        assert_eq!(column(1007, "b", Some((23, "b"))), (Kind::Integers, r#""a""b""#.to_owned()));
        assert_eq!(column(1231, "b", Some((1700, "b"))), (Kind::Texts, r#""a""b"::text[]"#.to_owned()));
        assert_eq!(column(99_998, "b", Some((99_999, "e"))), (Kind::Texts, r#""a""b""#.to_owned()));
        assert_eq!(column(1185, "b", Some((1184, "b"))).1, r#""a""b"::text[]"#);
    }

    #[test]
    fn a_path_into_json_cannot_end_its_quotes() {
        let pick =
            Pick::Json { column: "a\"b".into(), path: vec!["it's".into(), "\\".into()], name: "n".into() };
        let (kind, sql) = taken(&pick, &described(3802, "b", None), false, "t").expect("it is JSON");
        assert_eq!((kind, sql.as_str()), (Kind::Text, r#""a""b" #>> ARRAY[E'it''s', E'\\']::text[]"#));
        assert!(taken(&pick, &described(25, "b", None), false, "t").is_err());
    }

    #[test]
    fn parts_cover_every_block_once() {
        let place = |blocks| Place { qualified: "s.t".into(), from: "ONLY \"s\".\"t\"".into(), blocks };
        let plan = Plan {
            table: "s.t".into(),
            shape: Vec::new(),
            estimate: Estimate { rows: 0, bytes: 0, blocks: 0 },
            expressions: String::new(),
            places: vec![place(Some(5)), place(Some(0)), place(None)],
        };
        let parts: Vec<Part> = plan.parts(2).collect();
        let sizes: Vec<u64> = parts.iter().map(|part| part.blocks).collect();
        assert_eq!(sizes, [2, 2, 1, 0]);
        assert_eq!(parts.len() as u64, plan.part_count(2));
        assert_eq!(parts[2].from, "ONLY \"s\".\"t\" WHERE ctid >= '(4,0)'::tid AND ctid < '(5,0)'::tid");
        assert_eq!(parts[2].name, "`s.t` (blocks 4 to 4)");
        assert_eq!(plan.parts(0).count() as u64, plan.part_count(0));
    }
}
