plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
    alias(libs.plugins.dokka)
}

android {
    namespace = "dev.larder.media3"
    compileSdk = 35

    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    sourceSets {
        getByName("main") { java.srcDirs("src/main/kotlin") }
        getByName("test") {
            java.srcDirs("src/test/kotlin", "src/test/java", "../sdk/src/test/kotlin/dev/larder/support")
            java.filter.exclude("**/OldestAndroidTest.kt", "**/Api24.kt")
        }
    }

    testOptions.unitTests.all { test ->
        test.systemProperty("larder.repository", rootDir.parentFile.path)
        test.systemProperty("larder.target", rootDir.parentFile.resolve("target/debug").path)
        test.systemProperty("jna.library.path", rootDir.parentFile.resolve("target/debug").path)
        test.systemProperty("robolectric.enabledSdks", "35")
    }

    publishing.singleVariant("release") { withSourcesJar() }
}

kotlin {
    explicitApi()
    jvmToolchain(17)
}

dependencies {
    api(project(":sdk"))
    api(libs.media3.exoplayer)
    testImplementation(libs.coroutines)
    testImplementation(libs.jna)
    testImplementation(libs.junit4)
    testImplementation(libs.robolectric)
}
