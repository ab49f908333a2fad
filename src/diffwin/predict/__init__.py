"""Theory applied to a world or to a run of one: windows, trees and figures before, or beside, what is measured."""
