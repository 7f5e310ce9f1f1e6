//! How a window stands now, asked of the window server: ScreenCaptureKit says nothing of one that is minimised.

use objc2::runtime::AnyObject;
use objc2_core_foundation::{CFArray, CFDictionary, CFString, CGPoint, CGRect, CGSize};
use objc2_core_graphics::{
    CGRectMakeWithDictionaryRepresentation, CGWindowListCopyWindowInfo, CGWindowListOption, kCGWindowBounds,
    kCGWindowIsOnscreen,
};
use objc2_foundation::{NSArray, NSDictionary, NSNumber, NSString};

use crate::video::Rect;
use crate::video::desktop_id::by_points;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It shows a picture, there on the desktop (points).
    Shown(Rect),
    /// Minimised, hidden, or on another space.
    Hidden,
    /// It is no more.
    Gone,
}

pub(super) fn standing(window: u32) -> Standing {
    let Some(list) = CGWindowListCopyWindowInfo(CGWindowListOption::OptionIncludingWindow, window) else {
        return Standing::Gone;
    };
    // SAFETY: the function's own promise is an array of dictionaries with string keys, and both are toll-free bridged.
    let list = unsafe { &*std::ptr::from_ref::<CFArray>(&list).cast::<NSArray<NSDictionary<NSString, AnyObject>>>() };
    let Some(info) = list.firstObject() else { return Standing::Gone };
    // SAFETY: constants of the framework.
    let (on_screen, bounds) = unsafe { (value(&info, kCGWindowIsOnscreen), value(&info, kCGWindowBounds)) };
    // The key is absent where the answer is no.
    let is_shown = on_screen.and_then(|value| value.downcast::<NSNumber>().ok()).is_some_and(|value| value.as_bool());
    let mut area = CGRect { origin: CGPoint { x: 0.0, y: 0.0 }, size: CGSize { width: 0.0, height: 0.0 } };
    let known = bounds.is_some_and(|bounds| {
        // SAFETY: that key's value is a dictionary (toll-free bridged), and `area` is writable.
        unsafe {
            let bounds = &*std::ptr::from_ref::<AnyObject>(&bounds).cast::<CFDictionary>();
            CGRectMakeWithDictionaryRepresentation(Some(bounds), &raw mut area)
        }
    });
    if is_shown && known {
        Standing::Shown(by_points(area.origin.x, area.origin.y, area.size.width, area.size.height))
    } else {
        Standing::Hidden
    }
}

fn value(info: &NSDictionary<NSString, AnyObject>, key: &'static CFString) -> Option<objc2::rc::Retained<AnyObject>> {
    // SAFETY: strings are toll-free bridged.
    let key = unsafe { &*std::ptr::from_ref::<CFString>(key).cast::<NSString>() };
    info.objectForKey(key)
}
