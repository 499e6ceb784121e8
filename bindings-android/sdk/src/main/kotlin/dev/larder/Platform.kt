package dev.larder

/** What an operating system gives to a manager beyond what the app says. Asked off the main thread. */
internal interface Platform {
    /** Its engines, for the schemes that the app has none for. */
    fun engines(): List<DrmEngine>

    /** A desktop: whatever there is, the app says. */
    object Desktop : Platform {
        override fun engines(): List<DrmEngine> = emptyList()
    }
}
