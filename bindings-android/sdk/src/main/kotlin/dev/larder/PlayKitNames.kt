package dev.larder

// PlayKit's type names, for Kotlin code that migrates from PlayKit. New code uses Larder's names.

/** PlayKit's name for [MediaEntry]. */
public typealias PKMediaEntry = MediaEntry

/** PlayKit's name for [MediaSource]. */
public typealias PKMediaSource = MediaSource
