//! How a statement nests, judged by its tokens before it is parsed: how deep its brackets go, and
//! how much of it the parser would read more than once. Chains without brackets are counted
//! elsewhere.
//!
//! The parser limits the depth of expressions, but not that of types, patterns and columns of
//! tables in JSON. And where it can read a thing in several ways, it tries one after the other:
//! `CAST(…)` as a cast and then as a call of a function of that name, NOT as an operator and then
//! as a name. A mistake deep within is then found twice by each that is around it, which doubles
//! the time with every level.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::is_operator;
use crate::error::QueryError;

/// Most brackets, the statement as one, and CASE that are open at once. Patterns and columns of
/// tables in JSON, which the parser reads without a limit of its own, need a few kilobytes of the
/// stack for each.
const OPEN_MAX: usize = 100;
/// Most types in angle brackets within one another: the parser needs more of the stack for each.
const ANGLES_MAX: usize = 20;
/// Most tokens that are read again, each as often as it may be. The parser reads a million in a
/// second. A list of 100 000 values may stand in three conversions, and twenty conversions may
/// stand in one another.
const AGAIN_MAX: u64 = 1 << 21;

/// Words with which a query begins.
const QUERY_WORDS: [Keyword; 10] = [
    Keyword::DELETE,
    Keyword::FROM,
    Keyword::INSERT,
    Keyword::MERGE,
    Keyword::SELECT,
    Keyword::TABLE,
    Keyword::UPDATE,
    Keyword::VALUE,
    Keyword::VALUES,
    Keyword::WITH,
];

/// Words before a bracket whose inside is read in two ways: as what the word says, and as the
/// arguments of a function of that name; or as a type, and as an expression.
const TWICE: [Keyword; 23] = [
    Keyword::ARRAY,
    Keyword::CAST,
    Keyword::CEIL,
    Keyword::CONVERT,
    Keyword::CURRENT_DATE,
    Keyword::CURRENT_TIME,
    Keyword::CURRENT_TIMESTAMP,
    Keyword::EXTRACT,
    Keyword::FLOOR,
    Keyword::LOCALTIME,
    Keyword::LOCALTIMESTAMP,
    Keyword::LOWCARDINALITY,
    Keyword::MAP,
    Keyword::NESTED,
    Keyword::NULLABLE,
    Keyword::OVERLAY,
    Keyword::SAFE_CAST,
    Keyword::SUBSTR,
    Keyword::SUBSTRING,
    Keyword::TABLE,
    Keyword::TRY_CAST,
    Keyword::TRY_CONVERT,
    Keyword::TUPLE,
];

/// Words before a bracket that belongs to the call of a function before it.
const BEHIND_A_CALL: [Keyword; 3] = [Keyword::FILTER, Keyword::GROUP, Keyword::OVER];

/// Refuses tokens, given without blanks and comments, that nest deeper than the parser bears or
/// that it would read again and again.
pub(super) fn check(tokens: &[&Token]) -> Result<(), QueryError> {
    let queries = beginnings(tokens);
    let statement =
        Level { is_case: false, is_result: false, betweens: 0, behind: Times::inside(1) };
    let mut walk = Walk { open: vec![statement], times: Times::inside(1), again: 0, angles: 0 };
    for (at, token) in tokens.iter().enumerate() {
        let behind = tokens.get(at + 1).copied();
        let before = at.checked_sub(1).and_then(|at| tokens.get(at)).copied();
        // Of `((SELECT …`, either bracket may be that of a table that is a query.
        let is_doubled = matches!(behind, Some(Token::LParen))
            && queries.get(at + 1).copied().unwrap_or_default();
        walk.angle(token, behind)?;
        walk.step(token, (before, behind), is_doubled)?;
    }
    Ok(())
}

/// Says of each token whether a query begins there, be it behind further brackets.
fn beginnings(tokens: &[&Token]) -> Vec<bool> {
    let mut is_next = false;
    let backwards = tokens.iter().rev().map(|token| {
        is_next = match token {
            Token::Word(word) => QUERY_WORDS.contains(&word.keyword),
            Token::LParen => is_next,
            _ => false,
        };
        is_next
    });
    let mut found: Vec<bool> = backwards.collect();
    found.reverse();
    found
}

/// How often tokens are read.
#[derive(Clone, Copy)]
struct Times {
    /// What is inside of the innermost open bracket.
    inside: u64,
    /// What is up to the next AND, OR, comma or end of the bracket; at least that.
    here: u64,
    /// Besides, what comes next.
    next: u64,
}

impl Times {
    fn inside(inside: u64) -> Self {
        Self { inside, here: inside, next: 1 }
    }
}

/// An open bracket, or CASE without its END.
struct Level {
    is_case: bool,
    /// Of CASE: whether THEN was the last of its words.
    is_result: bool,
    /// How many BETWEEN wait for their AND.
    betweens: usize,
    /// How often what follows its end is read.
    behind: Times,
}

/// What is known of the tokens up to one.
struct Walk {
    open: Vec<Level>,
    times: Times,
    again: u64,
    angles: usize,
}

impl Walk {
    fn step(
        &mut self,
        token: &Token,
        (before, behind): (Option<&Token>, Option<&Token>),
        is_doubled: bool,
    ) -> Result<(), QueryError> {
        match token {
            token if opens(token) => self.open(false, is_doubled),
            token if closes(token) => self.close(),
            Token::Comma | Token::SemiColon => self.times = Times::inside(self.times.inside),
            // What follows is tried as part of a name, and then by itself.
            Token::Period => self.times.next = self.times.next.saturating_mul(2),
            Token::Plus | Token::Minus | Token::Tilde if !before.is_some_and(closes) => {}
            Token::Word(word) => self.word(word.keyword, before, behind),
            _ => self.times.next = 1,
        }
        if self.open.len() > OPEN_MAX {
            return Err(too_deep(&format!("brackets and CASE nest deeper than {OPEN_MAX}")));
        }
        let times = self.times.here.saturating_mul(self.times.next);
        self.again = self.again.saturating_add(times.saturating_sub(1));
        if self.again > AGAIN_MAX {
            return Err(too_deep("casts, types, conditions and names with points nest too deep"));
        }
        Ok(())
    }

    fn open(&mut self, is_case: bool, is_doubled: bool) {
        let behind = self.times;
        self.open.push(Level { is_case, is_result: false, betweens: 0, behind });
        let tries = if is_doubled { 2 } else { 1 };
        let inside = behind.here.saturating_mul(behind.next).saturating_mul(tries);
        self.times = Times::inside(inside);
    }

    /// A bracket ends what is open within it, too.
    fn close(&mut self) {
        while let Some(level) = self.open.pop() {
            self.times = level.behind;
            if !level.is_case {
                return;
            }
        }
        self.times = Times::inside(1);
    }

    fn word(&mut self, keyword: Keyword, before: Option<&Token>, behind: Option<&Token>) {
        if before.is_some_and(closes) {
            self.times.next = 1;
        }
        match keyword {
            Keyword::CASE => {
                // A CASE that fails is a name. Behind THEN, that of a larger one goes on with the
                // words of the smaller one as its own.
                let is_result = self.open.last().is_some_and(|level| level.is_result);
                let is_name = behind.is_some_and(goes_on) && !is_word(behind, Keyword::WHEN);
                self.open(true, is_result || is_name);
            }
            Keyword::END if self.open.last().is_some_and(|level| level.is_case) => {
                if let Some(level) = self.open.pop() {
                    self.times = level.behind;
                }
            }
            Keyword::THEN | Keyword::WHEN | Keyword::ELSE => {
                if let Some(level) = self.open.last_mut().filter(|level| level.is_case) {
                    level.is_result = keyword == Keyword::THEN;
                }
            }
            Keyword::BETWEEN => {
                if let Some(level) = self.open.last_mut() {
                    level.betweens += 1;
                }
            }
            Keyword::AND | Keyword::OR => self.next_condition(keyword),
            // A NOT that fails is a name, too, and what follows may go on from a name.
            Keyword::NOT if !before.is_some_and(is_operand) && behind.is_some_and(goes_on) => {
                self.times.here = self.times.here.saturating_mul(2);
            }
            _ => {}
        }
        self.times.next = next_after(keyword, self.times.next, behind);
    }

    /// NOT reaches no farther than AND, unless that belongs to BETWEEN.
    fn next_condition(&mut self, keyword: Keyword) {
        if let Some(level) = self.open.last_mut()
            && keyword == Keyword::AND
            && level.betweens > 0
        {
            level.betweens -= 1;
            return;
        }
        self.times.here = self.times.inside;
    }

    /// Counts angle brackets of types, which cannot be told from comparisons but by what is around.
    fn angle(&mut self, token: &Token, behind: Option<&Token>) -> Result<(), QueryError> {
        match token {
            Token::Word(word) => match word.keyword {
                Keyword::ARRAY | Keyword::STRUCT if behind == Some(&Token::Lt) => self.angles += 1,
                Keyword::AND | Keyword::OR | Keyword::WHEN => self.angles = 0,
                _ => {}
            },
            Token::Gt => self.angles = self.angles.saturating_sub(1),
            Token::ShiftRight => self.angles = self.angles.saturating_sub(2),
            _ => {}
        }
        if self.angles > ANGLES_MAX {
            return Err(too_deep(&format!("types nest deeper than {ANGLES_MAX}")));
        }
        Ok(())
    }
}

/// How often what comes after a word is read, where the word itself is read `next` times.
fn next_after(keyword: Keyword, next: u64, behind: Option<&Token>) -> u64 {
    let is_bracket = behind.is_some_and(opens);
    match keyword {
        // Needs no bracket: it is tried as a type with a value, and as an expression.
        Keyword::INTERVAL => next.saturating_mul(2),
        // `POSITION(a IN b)`, `position(a, b)`, and once more as any function.
        Keyword::POSITION if is_bracket => next.saturating_mul(3),
        keyword if is_bracket && (TWICE.contains(&keyword) || BEHIND_A_CALL.contains(&keyword)) => {
            next.saturating_mul(2)
        }
        _ if is_bracket || behind == Some(&Token::Period) => next,
        _ => 1,
    }
}

/// Whether a token may stand behind an operand and before one: a sign, a bracket, `IN`.
fn goes_on(token: &Token) -> bool {
    const MORE: [Keyword; 2] = [Keyword::MEMBER, Keyword::OPERATOR];
    is_operator(token) || matches!(token, Token::Word(word) if MORE.contains(&word.keyword))
}

/// Whether a token ends an operand for sure: words that mean something may begin one.
fn is_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword == Keyword::NoKeyword,
        Token::Period => false,
        token => closes(token) || !is_operator(token),
    }
}

fn is_word(token: Option<&Token>, keyword: Keyword) -> bool {
    matches!(token, Some(Token::Word(word)) if word.keyword == keyword)
}

fn opens(token: &Token) -> bool {
    matches!(token, Token::LParen | Token::LBracket | Token::LBrace)
}

fn closes(token: &Token) -> bool {
    matches!(token, Token::RParen | Token::RBracket | Token::RBrace)
}

fn too_deep(what: &str) -> QueryError {
    QueryError::Sql { message: format!("{what}; name parts of the statement in WITH") }
}

#[cfg(test)]
mod tests;
