plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
    alias(libs.plugins.dokka)
}

val repository = rootDir.parentFile

android {
    namespace = "dev.larder"
    compileSdk = 35

    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    sourceSets {
        // The output of scripts/generate-bindings and of scripts/build-android.
        getByName("main") {
            java.srcDirs("src/main/kotlin", "target/generated/kotlin")
            jniLibs.srcDir("target/jniLibs")
        }
        getByName("test") {
            java.srcDirs("src/test/kotlin", "src/test/java")
            // Gradle gets androidx.test as AARs, and Android's lint does the checks of the other files.
            java.filter.exclude("androidx/**", "**/OldestAndroidTest.kt", "**/PublicApiTest.kt", "**/Api24.kt")
        }
    }

    testOptions.unitTests {
        isIncludeAndroidResources = false
        all { test ->
            test.useJUnitPlatform()
            test.systemProperty("larder.repository", repository.path)
            test.systemProperty("larder.target", repository.resolve("target/debug").path)
            test.systemProperty("jna.library.path", repository.resolve("target/debug").path)
            // One level per JVM: the native library has one set of callbacks. Maven runs the other levels, too.
            test.systemProperty("robolectric.enabledSdks", "35")
        }
    }

    publishing.singleVariant("release") { withSourcesJar() }
}

kotlin {
    explicitApi()
    jvmToolchain(17)
}

// Every build needs the generated sources.
val generateBindings by tasks.registering(Exec::class) {
    workingDir = repository
    commandLine("scripts/generate-bindings", "kotlin")
    inputs.files(repository.resolve("udl/src/larder.udl"), repository.resolve("Cargo.lock"))
    outputs.dir("target/generated/kotlin")
}

tasks.named("preBuild") { dependsOn(generateBindings) }

dependencies {
    implementation(libs.coroutines)
    // The AAR has JNA's library for Android, the JAR those for desktops, which tests on the JVM need.
    implementation(libs.jna) { artifact { type = "aar" } }
    testImplementation(libs.jna)
    testImplementation(libs.junit4)
    testImplementation(libs.junit5)
    testImplementation(libs.junit5.launcher)
    testRuntimeOnly(libs.junit5.vintage)
    testImplementation(libs.robolectric)
    androidTestImplementation(libs.androidx.test.runner)
}
