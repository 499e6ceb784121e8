// For users with Android's tools. The same sources and tests are built by Maven (pom.xml) where there are none.

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
