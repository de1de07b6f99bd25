//! The room that boxes leave: rectangles between them, and the doors from one to the next.

use super::BoxOut;

/// No edge comes nearer to a box that it does not belong to.
pub(super) const CLEAR: i32 = 8;
/// How far beyond the outermost boxes edges may go to the sides.
const BESIDE: i32 = 96;
/// How far above and below them: lanes take what is nearest, so this is only a bound.
const BEYOND: i32 = 4_000;

/// A free rectangle, as high as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub left: i32,
    pub right: i32,
    pub top: i32,
    pub bottom: i32,
}

impl Room {
    pub fn width(&self) -> i32 {
        self.right - self.left
    }

    /// Is there room for a line that high?
    pub fn has(&self, y: i32) -> bool {
        (self.top..=self.bottom).contains(&y)
    }
}

/// What two rooms beside each other have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Door {
    pub x: i32,
    pub top: i32,
    pub bottom: i32,
    /// Room to its left.
    pub left: usize,
    /// Room to its right.
    pub right: usize,
}

/// All of it, by position in these lists.
pub(super) struct Free {
    pub rooms: Vec<Room>,
    pub doors: Vec<Door>,
    /// Doors of each room.
    doors_of: Vec<Vec<usize>>,
}

impl Free {
    /// What boxes that stand apart leave free: the plane is cut at the sides of each, into strips, and strips with the same
    /// top and bottom beside each other are one room.
    pub fn around(boxes: &[BoxOut]) -> Self {
        let mut walls: Vec<Room> = boxes.iter().map(wall).collect();
        walls.sort_by_key(|wall| (wall.top, wall.left));
        let mut new = Self {
            rooms: Vec::new(),
            doors: Vec::new(),
            doors_of: Vec::new(),
        };
        let (Some(left), Some(right), Some(top), Some(bottom)) = (
            walls.iter().map(|wall| wall.left - BESIDE).min(),
            walls.iter().map(|wall| wall.right + BESIDE).max(),
            walls.iter().map(|wall| wall.top - BEYOND).min(),
            walls.iter().map(|wall| wall.bottom + BEYOND).max(),
        ) else {
            return new;
        };
        let mut cuts: Vec<i32> = walls
            .iter()
            .flat_map(|wall| [wall.left, wall.right])
            .chain([left, right])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        // Rooms that reach the cut.
        let mut open: Vec<usize> = Vec::new();
        for strip in cuts.windows(2) {
            let [from, to] = *strip else { continue };
            let mut next = Vec::new();
            let mut y = top;
            let beside = walls
                .iter()
                .filter(|wall| wall.left <= from && wall.right >= to)
                .map(|wall| (wall.top, wall.bottom));
            for (wall_top, wall_bottom) in beside.chain([(bottom, bottom)]) {
                if wall_top > y {
                    next.push(new.reach(&open, [from, to], [y, wall_top]));
                }
                y = y.max(wall_bottom);
            }
            open = next;
        }
        new
    }

    /// The room that goes on through this strip, or a new one with its doors to those behind.
    fn reach(&mut self, open: &[usize], [left, right]: [i32; 2], [top, bottom]: [i32; 2]) -> usize {
        for behind in open {
            if let Some(room) = self.rooms.get_mut(*behind)
                && (room.top, room.bottom) == (top, bottom)
            {
                room.right = right;
                return *behind;
            }
        }
        let number = self.rooms.len();
        self.rooms.push(Room {
            left,
            right,
            top,
            bottom,
        });
        self.doors_of.push(Vec::new());
        for behind in open {
            let Some(room) = self.rooms.get(*behind) else {
                continue;
            };
            let (door_top, door_bottom) = (room.top.max(top), room.bottom.min(bottom));
            if door_top < door_bottom {
                super::push(&mut self.doors_of, *behind, self.doors.len());
                super::push(&mut self.doors_of, number, self.doors.len());
                self.doors.push(Door {
                    x: left,
                    top: door_top,
                    bottom: door_bottom,
                    left: *behind,
                    right: number,
                });
            }
        }
        number
    }

    pub fn doors_of(&self, room: usize) -> &[usize] {
        self.doors_of.get(room).map_or(&[], Vec::as_slice)
    }

    /// The room beside a box: right of its right side, or left of its left.
    pub fn beside(&self, one: &BoxOut, is_right: bool) -> Option<usize> {
        let wall = wall(one);
        self.rooms.iter().position(|room| {
            let touches = if is_right {
                room.left == wall.right
            } else {
                room.right == wall.left
            };
            touches && room.top <= one.y && one.bottom() <= room.bottom
        })
    }
}

fn wall(one: &BoxOut) -> Room {
    Room {
        left: one.x - CLEAR,
        right: one.right() + CLEAR,
        top: one.y - CLEAR,
        bottom: one.bottom() + CLEAR,
    }
}
