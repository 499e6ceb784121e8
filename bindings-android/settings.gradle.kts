// The build for users with Android's tools. Maven (pom.xml) builds the same sources and tests without them.

pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode.set(RepositoriesMode.FAIL_ON_PROJECT_REPOS)
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "larder-android"

include(":sdk", ":media3", ":sample")

project(":sample").projectDir = file("../android-sample")
