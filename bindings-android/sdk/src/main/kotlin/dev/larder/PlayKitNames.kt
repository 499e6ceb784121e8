package dev.larder

// PlayKit's names, for Kotlin code that moves from it. New code uses the plain ones.

/** PlayKit's name of [MediaEntry]. */
public typealias PKMediaEntry = MediaEntry

/** PlayKit's name of [MediaSource]. */
public typealias PKMediaSource = MediaSource
